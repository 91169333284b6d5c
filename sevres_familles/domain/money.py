"""Sums of money, in whole cents."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_FRENCH_AMOUNT = re.compile(r"(-?)(\d{1,3}(?:[ \u00a0\u202f]\d{3})+|\d{1,12})(?:,(\d{1,2}))?", re.ASCII)


class NotAnAmount(ValueError):
    """The text is not an amount written the French way."""


@dataclass(frozen=True, order=True, slots=True)
class Money:
    """A sum in euros, held as a whole number of cents.

    :raises TypeError: when made from anything but an ``int``, so that no float ever enters.
    """

    cents: int

    def __post_init__(self) -> None:
        if type(self.cents) is not int:
            raise TypeError(f"cents must be a whole number, not {self.cents!r}")

    def __reduce__(self) -> tuple[type["Money"], tuple[int]]:
        """Pickle as the class and its cents: invoices hold many of these."""
        return Money, (self.cents,)

    @classmethod
    def parse(cls, text: str) -> "Money":
        """Read an amount written the French way: ``60``, ``-12,5``, ``1 234,56``.

        :raises NotAnAmount: for anything else, a decimal point included: `1.234` has two meanings.
        """
        match = _FRENCH_AMOUNT.fullmatch(text.strip().removesuffix("€").rstrip())
        if match is None:
            raise NotAnAmount(text)
        sign, euros, decimals = match.groups()
        cents = int(re.sub(r"\D", "", euros)) * 100 + int((decimals or "").ljust(2, "0"))
        return cls(-cents if sign else cents)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.cents + other.cents)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.cents - other.cents)

    def __neg__(self) -> "Money":
        return Money(-self.cents)

    def __abs__(self) -> "Money":
        return Money(abs(self.cents))

    def __bool__(self) -> bool:
        return self.cents != 0

    def __str__(self) -> str:
        """Write the sum as French readers expect it, with no-break spaces: ``1 234,56 €``."""
        return _written(self.cents)

    @property
    def decimal(self) -> Decimal:
        """The sum in euros, with two decimals, for libraries that want it so."""
        return Decimal(self.cents).scaleb(-2)


@lru_cache(maxsize=4096)
def _written(cents: int) -> str:
    """Write a sum, kept written: the same tariffs stand on page after page, three lines an invoice."""
    euros, cents_left = divmod(abs(cents), 100)
    grouped = f"{euros:,}".replace(",", NO_BREAK_SPACE)
    return f"{'-' if cents < 0 else ''}{grouped},{cents_left:02d}{NO_BREAK_SPACE}€"


ZERO = Money(0)


def total(sums: Iterable[Money]) -> Money:
    """Add sums up; nothing at all is zero."""
    return Money(sum(each.cents for each in sums))
