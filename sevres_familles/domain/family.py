"""A family's record, as the billing software keeps it."""

from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from sevres_familles.domain.packing import pack, unpack


class Address(NamedTuple):
    """Where a guardian lives, in the fields of the record of 2009."""

    number: str = ""
    street: str = ""
    complement: str = ""
    postcode: str = ""
    town: str = ""

    def lines(self) -> tuple[str, ...]:
        """Give the lines of an envelope, the empty ones left out."""
        street = " ".join(filter(None, (self.number, self.street)))
        town = " ".join(filter(None, (self.postcode, self.town)))
        return tuple(filter(None, (street, self.complement, town)))


class Guardian(NamedTuple):
    """A « responsable »: who answers for the children and pays.  Empty fields are empty texts."""

    civility: str
    last_name: str
    first_name: str
    mobile: str = ""
    work_phone: str = ""
    email: str = ""
    work_email: str = ""
    address: Address = Address()
    phone: str = ""

    @property
    def name(self) -> str:
        """The name as the guide writes it: ``DUPOND Pierre``."""
        return f"{self.last_name} {self.first_name}".strip()


class Child(NamedTuple):
    """A child of the family."""

    first_name: str
    born_on: date | None


class FamilyRecord(NamedTuple):
    """What is known of a family: one or two guardians, and the children."""

    guardians: tuple[Guardian, ...]
    children: tuple[Child, ...] = ()

    def emails(self) -> Iterator[str]:
        """Go through the e-mail addresses of the guardians, private ones first."""
        for guardian in self.guardians:
            if guardian.email:
                yield guardian.email
        for guardian in self.guardians:
            if guardian.work_email:
                yield guardian.work_email


def pack_record(record: FamilyRecord) -> str:
    """Write a record as one text; equal records give equal texts."""
    children = [(child.first_name, child.born_on and child.born_on.isoformat()) for child in record.children]
    return join_record(pack(record.guardians), pack(children))


def join_record(guardians: str, children: str) -> str:
    """Put together a record from its guardians and its children, packed."""
    return f"[{guardians},{children}]"


def unpack_record(text: str) -> FamilyRecord:
    """Read a record back."""
    guardians, children = unpack(text)
    return FamilyRecord(
        tuple(map(_unpack_guardian, guardians)),
        tuple(Child(first_name, born and date.fromisoformat(born)) for first_name, born in children),
    )


def _unpack_guardian(fields: list[Any]) -> Guardian:
    guardian = Guardian(*fields)
    return guardian._replace(address=Address(*guardian.address))
