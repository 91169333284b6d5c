"""How a family's record is told to people."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from sevres_familles.domain.family import FamilyRecord, Guardian
from sevres_familles.domain.money import NO_BREAK_SPACE


class Household(NamedTuple):
    """Guardians who live together: their names, the lines of their address, their first telephones."""

    names: tuple[str, ...]
    address: tuple[str, ...]
    phones: tuple[str, ...]


def households(record: FamilyRecord) -> Iterator[Household]:
    """Go through the addresses of a family: parents who live apart have one each."""
    for address, group in groupby(record.guardians, key=lambda guardian: guardian.address):
        together = tuple(group)
        phones = dict.fromkeys(guardian.mobile or guardian.phone for guardian in together)
        yield Household(
            tuple(guardian.name for guardian in together),
            address.lines(),
            tuple(filter(None, phones)),
        )


def greeting(guardians: Sequence[Guardian]) -> str:
    """Say whom a family's page is for: ``Monsieur et Madame DUPOND``, ``Madame MARTIN et Monsieur DUPOND``.

    Whichever of them reads it is greeted.
    """
    if len({guardian.last_name for guardian in guardians}) == 1:
        civilities = " et ".join(dict.fromkeys(filter(None, (guardian.civility for guardian in guardians))))
        return f"{civilities} {guardians[0].last_name}".strip()
    return " et ".join(f"{guardian.civility} {guardian.last_name}".strip() for guardian in guardians)


def guardian_fields(guardian: Guardian) -> tuple[tuple[str, str], ...]:
    """Give every field of a guardian, in the words and the order of the record of 2009; empty ones are empty."""
    address = guardian.address
    mobile, work_phone, phone = (
        each.replace(" ", NO_BREAK_SPACE) for each in (guardian.mobile, guardian.work_phone, guardian.phone)
    )
    return (
        ("Nom", guardian.last_name),
        ("Civilité", guardian.civility),
        ("Prénom", guardian.first_name),
        ("Tél. portable", mobile),
        ("Tél. professionnel", work_phone),
        ("E-mail", guardian.email),
        ("E-mail bureau", guardian.work_email),
        ("Numéro", address.number),
        ("Voie", address.street),
        ("Complément", address.complement),
        ("Code postal", address.postcode),
        ("Ville", address.town),
        ("Téléphone", phone),
    )
