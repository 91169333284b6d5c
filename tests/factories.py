"""Makers of what tests talk about: each gives something whole and believable; a test says what matters to it."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from sevres_familles.domain.family import Address, Child, FamilyRecord, Guardian
from sevres_familles.domain.invoice import BillingFigures, BillingState, InvoiceFacts, InvoiceKey, InvoiceLine
from sevres_familles.domain.ledger import Draft, EntryKind, LedgerAccount
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.families.resources import Family
from sevres_familles.regies.resources import FamilyAccount, FamilyAccounts, Invoice
from sevres_familles.web.root import Portal

GRANDE_RUE = Address(number="12", street="Grande Rue", postcode="92310", town="SÈVRES")
DUPOND = FamilyRecord(
    guardians=(
        Guardian(
            "Monsieur", "DUPOND", "Pierre", mobile="06 07 08 09 10", email="dupond@free.fr",
            address=GRANDE_RUE, phone="09 56 56 56 56",
        ),
        Guardian("Madame", "DUPOND", "Danielle", address=GRANDE_RUE, phone="09 56 56 56 56"),
    ),
    children=(Child("Léa", date(2018, 5, 4)), Child("Hugo", date(2020, 2, 29))),
)  # fmt: skip
CODE = "26719"


def facts(
    number: str = "9161",
    *,
    amount: Money = Money(6000),
    label: str = "FACTURATION CANTINES OCTO",
    lot: str = "CANTINES",
    exercice: int = 2026,
    issued_on: date = date(2026, 11, 3),
    due_on: date = date(2026, 11, 30),
) -> InvoiceFacts:
    """Make what never changes of an invoice, of one line."""
    line = InvoiceLine("Léa", "Cantine", "1", amount, amount, deductible=False)
    return InvoiceFacts(InvoiceKey(exercice, number), label, lot, issued_on, due_on, "Octobre 2026", amount, (line,))


def store_family(portal: Portal, code: str = CODE, record: FamilyRecord = DUPOND, *, key: bytes = b"") -> Family:
    """Store a family as a published import would."""
    lots = portal.stores["lots"]
    lot = lots.give()
    family: Family = portal["familles"].add(code, Family(code, lots))
    family.stage(lot, record)
    accounts = FamilyAccounts()
    accounts.__name__, accounts.__parent__ = "comptes", family
    family.nodes = {"comptes": accounts}
    if key:
        portal.stores["emails"].note(key, code, record.emails())
    lots.publish(lot)
    return family


def store_invoice(
    family: Family,
    invoiced: InvoiceFacts | None = None,
    *,
    regie: str = "scolaire",
    remaining: Money | None = None,
    state: BillingState = BillingState.DUE,
) -> Invoice:
    """Store an invoice of a family as a published import would, its ledger entries included."""
    invoiced = invoiced or facts()
    remaining = invoiced.total if remaining is None else remaining
    account = _account(family, regie)
    lot = account.lots.give()
    invoice = Invoice(invoiced, BillingFigures(remaining, state), lot)
    account.add_invoice(invoice)
    for draft in _billing_drafts(invoiced, remaining):
        account.billing.stage(lot, draft)
    account.lots.publish(lot)
    return invoice


def _account(family: Family, regie: str) -> FamilyAccount:
    portal: Any = family.__parent__.__parent__
    return family.nodes["comptes"].open(portal["regies"][regie], family.lots.published, family.lots)


def _billing_drafts(invoiced: InvoiceFacts, remaining: Money) -> Iterable[Draft]:
    from datetime import UTC, datetime

    at, key = datetime(2026, 11, 3, 8, tzinfo=UTC), str(invoiced.key)
    for kind, owed in ((EntryKind.INVOICED, invoiced.total), (EntryKind.BILLING_CHANGE, remaining - invoiced.total)):
        sides = LedgerAccount.FAMILY, LedgerAccount.BILLING
        debit, credit = sides if owed > ZERO else reversed(sides)
        if owed:
            yield Draft(at, kind, debit, credit, abs(owed), key, "lot 1")
