"""What a cell may hold: each converter takes the text of a cell and gives its value, or says what is wrong.

Cells repeat: most converters remember what they read, in a memory that is bounded.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from typing import Any

from sevres_familles.domain.french import fold
from sevres_familles.domain.invoice import BillingState
from sevres_familles.domain.money import Money, NotAnAmount
from sevres_familles.domain.references import ALPHABET, PAYMENT_LENGTH, PAYMENT_PREFIX, is_closed, is_family_code

#: Turns a cell into a value, or raises `Wrong`.
Converter = Callable[[str], Any]

#: The longest cell that is taken.
LONGEST_CELL = 300

_REMEMBERED = 20_000
_NUMBER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,29}")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DATE = re.compile(r"(\d\d)/(\d\d)/(\d{4})")
_EMAIL = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]{1,180}\.[^@\s.,;<>\"]{2,63}")
_QUANTITY = re.compile(r"(-?)(\d{1,6})(?:,(\d{1,4}))?")
_POINTED = re.compile(r"-?\d+\.\d+")
_PAYMENT = re.compile(rf"{PAYMENT_PREFIX}([{ALPHABET}]{{{PAYMENT_LENGTH}}})(?:=(\S+))?")
#: Quantities have at most four decimals.
_SCALE = 10_000
_FIRST_YEAR, _LAST_YEAR = 1900, 2199


class Wrong(ValueError):
    """The cell is not what its column holds: the message is the advice, in French."""


class Remembering(dict[str, Any]):
    """A converter that remembers: call it by ``[…]``."""

    def __init__(self, convert: Converter) -> None:
        self._convert = convert

    def __missing__(self, text: str) -> Any:
        value = self._convert(text)
        if len(self) >= _REMEMBERED:
            self.clear()
        self[text] = value
        return value


def text(cell: str) -> str:
    """Take any text, none included."""
    return cell


def something(cell: str) -> str:
    """Take a text that is not empty."""
    if not cell:
        raise Wrong("Cette colonne ne peut pas être vide.")
    return cell


def _code(cell: str) -> str:
    """Take a family's code d’accès, which stands in addresses."""
    if not is_family_code(cell):
        raise Wrong("Un code famille a 1 à 20 lettres sans accent, chiffres ou tirets : 26719.")
    return cell


def _number(cell: str) -> str:
    """Take an invoice's number, which stands in addresses."""
    if not _NUMBER.fullmatch(cell):
        raise Wrong("Un numéro de facture a 1 à 30 lettres sans accent, chiffres ou tirets : 9161.")
    return cell


def _exercice(cell: str) -> str:
    if not _YEAR.fullmatch(cell):
        raise Wrong("Un exercice est une année sur quatre chiffres : 2026.")
    return cell


def _amount(cell: str) -> int:
    try:
        return Money.parse(cell).cents
    except NotAnAmount as wrong:
        raise Wrong("Un montant s’écrit avec une virgule et au plus deux décimales, sans point : 60,00.") from wrong


def _day(cell: str) -> str:
    match = _DATE.fullmatch(cell)
    try:
        if match is not None and _FIRST_YEAR <= int(match[3]) <= _LAST_YEAR:
            return date(int(match[3]), int(match[2]), int(match[1])).isoformat()
    except ValueError:
        pass  # A day that is in no calendar is told as any other text.
    raise Wrong("Une date s’écrit JJ/MM/AAAA et existe au calendrier : 16/10/2026.")


def _day_or_none(cell: str) -> str | None:
    return _day(cell) if cell else None


def email(cell: str) -> str:
    """Take an e-mail address, or none."""
    if cell and not _EMAIL.fullmatch(cell):
        raise Wrong("Une adresse s’écrit nom@domaine.fr, une seule par colonne ; laissez vide s’il n’y en a pas.")
    return cell


def _quantity(cell: str) -> str:
    if not cell or _POINTED.fullmatch(cell):
        raise Wrong("Une quantité s’écrit avec une virgule : 7,5.")
    return cell


_FLAGS = {"oui": True, "non": False}


def _flag(cell: str) -> bool:
    try:
        return _FLAGS[fold(cell)]
    except KeyError:
        raise Wrong("Écrivez oui ou non.") from None


_STATES = {
    "a payer": BillingState.DUE,
    "payee au guichet": BillingState.PAID_AT_COUNTER,
    "transmise au tresor": BillingState.SENT_TO_TREASURY,
    "annulee": BillingState.CANCELLED,
}


def _state(cell: str) -> str:
    try:
        return _STATES[fold(cell)].name
    except KeyError:
        raise Wrong("Écrivez à payer, payée au guichet, transmise au Trésor ou annulée.") from None


def _counted(cell: str) -> tuple[tuple[str, int | None], ...]:
    """Read references of our payments: ``P-7KQ4M2XDN P-23456789F=20,00``; a sum of none is that of the payment."""
    found: dict[str, int | None] = {}
    for each in cell.split():
        match = _PAYMENT.fullmatch(each)
        reference = match and PAYMENT_PREFIX + match[1]
        if match is None or not is_closed(match[1]) or reference in found:
            raise Wrong(
                "Écrivez les références de nos paiements, chacune une fois, séparées par des espaces ; "
                "au besoin la part comptée : P-7KQ4M2XDN=40,00."
            )
        found[str(reference)] = _positive(match[2]) if match[2] else None
    return tuple(sorted(found.items()))


def _positive(cell: str) -> int:
    cents = _amount(cell)
    if cents < 0:
        raise Wrong("La part comptée d’un paiement n’est pas négative.")
    return cents


code = Remembering(_code).__getitem__
number = Remembering(_number).__getitem__
amount = Remembering(_amount).__getitem__
day = Remembering(_day).__getitem__
day_or_none = Remembering(_day_or_none).__getitem__
exercice = Remembering(_exercice).__getitem__
quantity = Remembering(_quantity).__getitem__
flag = Remembering(_flag).__getitem__
state = Remembering(_state).__getitem__
counted = Remembering(_counted).__getitem__


def regie_among(names: Iterable[str]) -> Converter:
    """Make the converter of régies: a name of the town file."""
    known = tuple(names)

    def regie(cell: str) -> str:
        if cell not in known:
            raise Wrong(f"Les régies connues sont : {', '.join(known)}.")
        return cell

    return Remembering(regie).__getitem__


def _scaled(cell: str) -> int | None:
    """Read a quantity in parts of `_SCALE`; none when it is no number (``7 h 30``)."""
    match = _QUANTITY.fullmatch(cell)
    if match is None:
        return None
    value = int(match[2]) * _SCALE + int((match[3] or "").ljust(4, "0"))
    return -value if match[1] else value


_scaled_quantity = Remembering(_scaled).__getitem__


def makes_amount(quantity_cell: str, unit_price: int, cents: int) -> bool:
    """Tell whether quantity × unit price makes an amount, to a cent: rounding up or down is the software's choice."""
    scaled = _scaled_quantity(quantity_cell)
    return scaled is None or abs(scaled * unit_price - cents * _SCALE) <= _SCALE
