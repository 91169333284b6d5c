"""The trial cards, and what happens to whoever pays with one.

A scenario is a row of :data:`SCENARIOS`; nothing else in the bank knows a card number.
"""

from dataclasses import dataclass
from enum import StrEnum


class Delivery(StrEnum):
    """What becomes of the notification of a payment."""

    BEFORE_RETURN = "before return"
    #: The browser goes back at once; the notification leaves after it.
    AFTER_RETURN = "after return"
    LATE = "late"
    LOST = "lost"


@dataclass(frozen=True)
class Scenario:
    """A trial card and its fate."""

    number: str
    #: What the card page and the documentation say of it.
    meaning: str
    #: The answer of the payer's own bank: 00 yes, 51 lack of funds…
    auth_result: str = "00"
    #: Whether the payer's own bank asks for a code first (3-D Secure), and takes the right one.
    challenge: bool = False
    authenticates: bool = True
    delivery: Delivery = Delivery.BEFORE_RETURN
    #: Whether the notification is sent twice; whether its signature is wrong.
    twice: bool = False
    forged: bool = False
    #: Whether the bank first wants to look at the payment (UNDER_VERIFICATION).
    verified: bool = False
    #: Whether the bank takes half of what was asked.
    halved: bool = False
    #: Whether the ticket offers no way back.
    strands: bool = False
    #: Whether a first try is refused, and the shop told of it after the second.
    disordered: bool = False

    @property
    def accepted(self) -> bool:
        """Tell whether this card pays."""
        return self.auth_result == "00" and self.authenticates

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
    Scenario("4970100000000022", "Paiement refusé : provision insuffisante", auth_result="51"),
    Scenario("4970100000000030", "Paiement refusé, sans motif", auth_result="05"),
    Scenario("4970100000000048", "Paiement refusé : carte expirée", auth_result="54"),
    Scenario("4970100000000055", "Paiement refusé : carte déclarée volée", auth_result="43"),
    Scenario("4970100000000063", "Erreur technique, rien n’est débité", auth_result="96"),
    Scenario("4970100000000071", "Paiement en vérification, accepté deux minutes plus tard", verified=True),
    Scenario(
        "4970100000000089",
        "Paiement accepté, mais la boutique n’en est pas avertie",
        delivery=Delivery.LOST,
    ),
    Scenario(
        "4970100000000097",
        "Paiement accepté, la boutique n’est avertie que deux minutes plus tard",
        delivery=Delivery.LATE,
    ),
    Scenario("4970100000000105", "Paiement accepté, la boutique est avertie deux fois", twice=True),
    Scenario("4970100000000113", "Paiement accepté, la notification est mal signée", forged=True),
    Scenario("4970100000000121", "Paiement accepté, mais pour la moitié du montant", halved=True),
    Scenario(
        "4970100000000139",
        "Paiement accepté, le retour précède la notification",
        delivery=Delivery.AFTER_RETURN,
    ),
    Scenario("4970100000000147", "Paiement accepté, sans retour à la boutique", strands=True),
    Scenario(
        "4970100000000154",
        "Deux essais, refusé puis accepté ; la boutique apprend le refus en dernier",
        disordered=True,
    ),
    Scenario(
        "4970100000000162",
        "Code 3-D Secure demandé, authentification refusée",
        challenge=True,
        authenticates=False,
    ),
)

#: The code that the challenge of 3-D Secure waits for.
CHALLENGE_CODE = "123456"

#: What the payer reads of an answer that is no.
REFUSALS = {
    "51": "provision insuffisante",
    "54": "carte expirée",
    "43": "carte déclarée volée",
    "96": "erreur technique de la banque",
}


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
