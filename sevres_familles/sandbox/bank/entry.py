"""Read what a payer types on the card page."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from sevres_familles.sandbox.bank.cards import Scenario, masked, passes_luhn, scenario_of

#: What people type between the groups of a card number.
_SEPARATORS = re.compile(r"[\s.\-]+")

#: The longest address the bank takes (its ``vads_cust_email``), and the shape of one.
_LONGEST_ADDRESS = 127
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")

_MONTHS = range(1, 13)
_YEARS = range(2000, 2100)


class CardFaults(Exception):
    """Something on the card page is to be mended."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(", ".join(faults))
        #: Field name to what is wrong and how to mend it, in the order of the page.
        self.faults = dict(faults)


@dataclass(frozen=True)
class HeldCard:
    """What the bank keeps of a card, and where its receipt goes. No number, no digits."""

    number: str
    month: int
    year: int
    receipt_to: str

    def without_address(self) -> "HeldCard":
        """Return the same card with the payer's address forgotten."""
        return HeldCard(self.number, self.month, self.year, "")


def read_card(form: Mapping[str, str], today: date) -> tuple[HeldCard, Scenario]:
    """Return the card that was typed, already masked, and what will happen to it.

    :raises CardFaults: with every fault at once.
    """
    faults: dict[str, str] = {}
    number = plain_number(form)
    scenario = scenario_of(number)
    month, year = _number(form, "mois"), _number(form, "annee")
    address = form.get("courriel", "").strip()
    if scenario is None:
        faults["numero"] = _what_is_wrong_with(number)
    if month not in _MONTHS:
        faults["mois"] = "Saisissez le mois en deux chiffres. Exemple : 09."
    if year not in _YEARS:
        faults["annee"] = f"Saisissez l’année en quatre chiffres. Exemple : {today.year + 1}."
    if not faults.keys() & {"mois", "annee"} and (year, month) < (today.year, today.month):
        faults["mois"] = "Cette date est passée. Choisissez une date d’expiration à venir."
    if not re.fullmatch(r"[0-9]{3}", form.get("chiffres", "").strip()):
        faults["chiffres"] = "Saisissez trois chiffres. Exemple : 123."
    if address and not _is_address(address):
        faults["courriel"] = "Cette adresse est incomplète. Exemple : nom@exemple.fr."
    if faults or scenario is None:
        raise CardFaults(faults)
    return HeldCard(masked(number), month, year, address), scenario


def plain_number(form: Mapping[str, str]) -> str:
    """Return the digits of the number that was typed."""
    return _SEPARATORS.sub("", form.get("numero", ""))


def worth_showing_again(form: Mapping[str, str]) -> dict[str, str]:
    """Return what a payer need not type twice when something is to be mended.

    The number comes back only if it is a trial card: should it be a real one after all,
    it is not written anywhere, not even to the page that refuses it. The three digits
    never come back.
    """
    kept = {name: form.get(name, "").strip()[:127] for name in ("mois", "annee", "courriel")}
    scenario = scenario_of(plain_number(form))
    return {**kept, "numero": scenario.grouped if scenario else ""}


def _what_is_wrong_with(number: str) -> str:
    if not re.fullmatch(r"[0-9]{13,19}", number):
        return "Saisissez les seize chiffres de la carte. Exemple : 4970 1000 0000 0006."
    if not passes_luhn(number):
        return "Ce numéro comporte une erreur. Vérifiez chaque chiffre."
    return (
        "Cette carte est inconnue de la banque de démonstration. "
        "Choisissez l’une des cartes d’essai. N’entrez jamais une vraie carte."
    )


def _number(form: Mapping[str, str], name: str) -> int:
    text = form.get(name, "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else 0


def _is_address(text: str) -> bool:
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None
