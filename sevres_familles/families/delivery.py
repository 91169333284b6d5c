"""How invoices reach a family: on paper, or on line alone if it wants.

The choice is a dated consent, kept with all those before it, and taken back as easily as it was given.  Paper is the
rule: without a password of its own and a confirmed address a family has no other choice (`Family.electronic_only`), and
it has paper again when its address refuses the mail that tells of an invoice.
"""

from datetime import datetime
from typing import Any

from sevres_familles.families.events import DeliveryChosen
from sevres_familles.families.resources import DeliveryChoice, Family
from sevres_familles.identity.services import can_be_written_to, emails_of

#: Who says so, where the family does by itself.
BY_FAMILY = "famille"
#: The service, for a family that said so by telephone or letter; the portal, which cannot write to the family any more.
BY_SERVICE, BY_PORTAL = "service", "portail"


class NotReachable(Exception):
    """A family without a password of its own, or without a confirmed address, cannot do without paper."""


def choose_delivery(
    portal: Any, registry: Any, family: Family, *, electronic: bool, at: datetime, by: str = BY_FAMILY
) -> None:
    """Note how a family wants its invoices from now on, and announce it.  Choosing what holds already changes nothing.

    :raises NotReachable: when it wants no paper, and could not be told of its invoices.
    """
    if electronic and not can_be_written_to(portal, family.code):
        raise NotReachable(family.code)
    if electronic == family.wants_no_paper:
        return
    family.choose_delivery(DeliveryChoice(at, electronic, by))
    emails = emails_of(portal, registry, family.code)
    registry.notify(DeliveryChosen(portal=portal, code=family.code, electronic=electronic, by=by, emails=emails, at=at))
