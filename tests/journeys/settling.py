"""Families of a town: each journey has its own, with invoices of today.

code = settle(town, "30001", bill("9161"), bill("9174", 4280, late=True))
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sevres_familles.domain import french
from sevres_familles.domain.family import FamilyRecord
from sevres_familles.domain.invoice import InvoiceFacts
from sevres_familles.domain.money import Money
from sevres_familles.families.resources import Family
from sevres_familles.payments.services import hand_over, open_payment
from tests.factories import DUPOND, facts, store_family, store_invoice
from tests.identity.helpers import give_password
from tests.journeys.town import Town
from tests.sandbox.shop import paid


def email_of(code: str) -> str:
    """Give the address of a journey's family."""
    return f"famille-{code}@exemple.fr"


def record_of(code: str) -> FamilyRecord:
    """Make the record of a journey's family: DUPOND, with an address of its own."""
    pierre, danielle = DUPOND.guardians
    return DUPOND._replace(guardians=(pierre._replace(email=email_of(code)), danielle))


def bill(
    number: str = "9161",
    cents: int = 6000,
    *,
    label: str = "FACTURATION CANTINES OCTO",
    lot: str = "CANTINES",
    late: bool = False,
) -> InvoiceFacts:
    """Make an invoice that is due in ten days, or was a week ago."""
    today = french.local(datetime.now(UTC)).date()
    due_on = today - timedelta(days=7) if late else today + timedelta(days=10)
    return facts(
        number,
        amount=Money(cents),
        label=label,
        lot=lot,
        exercice=today.year,
        issued_on=today - timedelta(days=20),
        due_on=due_on,
    )


def settle(town: Town, code: str, *bills: InvoiceFacts, regie: str = "scolaire", has_password: bool = True) -> str:
    """Store a family with invoices of one régie, and give its code."""
    with town.store() as (portal, registry):
        key = registry.settings_of_portal.secret("tokens.key")
        family = store_family(portal, code, record_of(code), key=key)
        for each in bills:
            store_invoice(family, each, regie=regie)
        if has_password:
            give_password(portal, registry, code)
    return code


def depart(
    town: Town, code: str, names: Sequence[str] = (), *, at: datetime | None = None
) -> tuple[str, dict[str, str]]:
    """Open a payment as « Confirmer » does: its reference, and the form that a browser would post to the bank.

    :param names: of invoices of the school's régie; all of them if none is named.
    """
    with town.store() as (portal, registry):
        account = family_in(portal, code)["comptes"]["scolaire"]
        payments = portal["paiements"]
        at = datetime.now(UTC)
        payment = open_payment(
            portal,
            registry.gateways["systempay"],
            account,
            names or [invoice.__name__ for invoice in account],
            email=email_of(code),
            return_url=f"{town.url}paiements/{{reference}}/retour",
            notify_url=f"{town.url}paiements/notifications/systempay",
            at=at,
        )
        hand_over(payments, payment, first_ask=at + timedelta(minutes=5), at=at)
        return payment.reference, dict(payment.form.fields)


def pay_beside(town: Town, code: str, number: str, names: Sequence[str] = ()) -> str:
    """Pay invoices at the real bank without a browser, and give the payment's reference."""
    reference, form = depart(town, code, names)
    answer = paid(town.bank, form, number)
    assert answer.status == 303, answer.text
    return reference


def family_in(portal: object, code: str) -> Family:
    """Find a family in the portal."""
    return portal["familles"][code]  # type: ignore[index, no-any-return]
