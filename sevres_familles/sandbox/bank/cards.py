"""The trial cards, and what happens to whoever pays with one.

A scenario is a row of :data:`SCENARIOS`; nothing else in the bank knows a card number.
"""

from dataclasses import dataclass
from enum import StrEnum


class Delivery(StrEnum):
    """What becomes of the notification of a payment."""

    BEFORE_RETURN = "before return"
    LOST = "lost"


@dataclass(frozen=True)
class Scenario:
    """A trial card and its fate."""

    number: str
    #: What the card page and the documentation say of it.
    meaning: str
    #: The answer of the payer's own bank: 00 yes, 51 lack of funds…
    auth_result: str = "00"
    #: Whether the payer's own bank asks for a code first (3-D Secure).
    challenge: bool = False
    delivery: Delivery = Delivery.BEFORE_RETURN

    @property
    def accepted(self) -> bool:
        """Tell whether this card pays."""
        return self.auth_result == "00"

    @property
    def grouped(self) -> str:
        """Return the number as it is embossed on a card."""
        return grouped(self.number)


SCENARIOS: tuple[Scenario, ...] = (
    Scenario("4970100000000006", "Paiement accepté"),
    Scenario(
        "4970100000000014",
        "Code 3-D Secure demandé (123456), puis paiement accepté",
        challenge=True,
    ),
    Scenario("4970100000000022", "Paiement refusé : provision insuffisante", auth_result="51"),
    Scenario(
        "4970100000000089",
        "Paiement accepté, mais la boutique n’en est pas avertie",
        delivery=Delivery.LOST,
    ),
)

#: The code that the challenge of 3-D Secure waits for.
CHALLENGE_CODE = "123456"

#: What the payer reads of an answer that is no.
REFUSALS = {"51": "provision insuffisante"}


def grouped(number: str) -> str:
    """Write a number, masked or whole, in groups of four."""
    return " ".join(number[start : start + 4] for start in range(0, len(number), 4))


def masked(number: str) -> str:
    """Return the only form in which a number is ever kept: ``497010XXXXXX0014``."""
    return number[:6] + "X" * (len(number) - 10) + number[-4:]


def scenario_of(number: str) -> Scenario | None:
    """Return the scenario of a whole number, none for a card that is not ours."""
    return next((one for one in SCENARIOS if one.number == number), None)


def scenario_behind(mask: str) -> Scenario:
    """Return the scenario of a masked number that was accepted before.

    :raises KeyError: when no trial card looks like that.
    """
    return _BY_MASK[mask]


def passes_luhn(number: str) -> bool:
    """Tell whether the last digit agrees with the others (ISO/IEC 7812-1, annex B)."""
    counted = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number))]
    return sum(sum(divmod(value, 10)) for value in counted) % 10 == 0


_BY_MASK = {masked(one.number): one for one in SCENARIOS}
