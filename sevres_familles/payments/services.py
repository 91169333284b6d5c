"""Acts on payments: open one, apply what the bank says, book the money.

Each is called in one transaction.  `apply` is the only way money enters the accounts of families; notifications,
answers of the bank and journals all come through it, and it gives the same amounts whatever the order and repetition of
what it is given.  Money whose payment is not known goes through `suspense.hold`, by the same rules.
"""

from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sevres_familles.domain import french
from sevres_familles.domain.invoice import BillingState, InvoiceStatus
from sevres_familles.domain.ledger import Draft, EntryKind, LedgerAccount
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import (
    MOVES,
    Allocation,
    Effect,
    Evidence,
    EvidenceKind,
    MoneyFact,
    PaymentState,
    Share,
    allocate,
    entry_kind_of,
    money_facts,
    move_of,
    take_back,
)
from sevres_familles.domain.references import random_payment_reference
from sevres_familles.payments.events import MoneyReturned, ReceiptIssued
from sevres_familles.payments.gateways.port import Departure, PaymentGateway
from sevres_familles.payments.records import raise_alert, set_aside
from sevres_familles.payments.resources import Payment, Payments, Receipt, Unmatched, bank_order_key
from sevres_familles.regies.resources import FamilyAccount, Invoice
from sevres_familles.web.logs import tell
from sevres_familles.web.root import Portal


class NotPayable(Exception):
    """An invoice cannot be paid on line now: ``status`` says why."""

    def __init__(self, invoice: Invoice, status: InvoiceStatus) -> None:
        super().__init__(str(invoice.facts.key))
        self.invoice = invoice
        self.status = status


class Outcome(StrEnum):
    """What became of evidence."""

    APPLIED = "applied"
    DUPLICATE = "duplicate"
    #: Kept, shown to staff, and nothing done: the bank is asked.
    QUARANTINED = "quarantined"


def chosen_shares(account: FamilyAccount, names: Sequence[str], today: date) -> tuple[Share, ...]:
    """Freeze what each chosen invoice of an account is to take: what is left to pay on it, never less nor more.

    :raises KeyError: when the account has no such invoice.
    :raises NotPayable: when one cannot be paid now.
    """
    shares = []
    for name in dict.fromkeys(names):
        invoice = account[name]
        status = invoice.status(today)
        if not status.payable:
            raise NotPayable(invoice, status)
        shares.append(Share(name, status.due))
    return tuple(shares)


def open_payment(
    portal: Portal,
    gateway: PaymentGateway,
    account: FamilyAccount,
    names: Sequence[str],
    *,
    email: str,
    return_url: str,
    notify_url: str,
    at: datetime,
) -> Payment:
    """Open a payment of invoices of an account, and shield them against another.

    Writes the invoices and the account, so that of two that start at once one conflicts, tries again, and finds the
    shield (requirements R3).  ``return_url`` and ``notify_url`` hold ``{reference}`` where it goes.

    :raises KeyError: when the account has no such invoice.
    :raises NotPayable: when one cannot be paid now, another payment being under way included.
    """
    # A publication that slips in must not let an old amount leave: conflict with it.
    portal._p_jar.readCurrent(portal.stores["lots"])
    shares = chosen_shares(account, names, french.local(at).date())
    payments: Payments = portal["paiements"]
    departure = _depart(payments, gateway, shares, email=email, return_url=return_url, notify_url=notify_url, at=at)
    payment = Payment(account, shares, departure, email=email, at=at)
    payments.add_payment(payment)
    shield(payment)
    account._p_changed = True
    return payment


def _depart(
    payments: Payments,
    gateway: PaymentGateway,
    shares: Sequence[Share],
    *,
    email: str,
    return_url: str,
    notify_url: str,
    at: datetime,
) -> Departure:
    """Make the bank's form with a reference and a transaction number that were never used."""
    amount = sum((share.amount for share in shares), ZERO)
    while True:
        reference = random_payment_reference()
        departure = gateway.depart(
            reference,
            amount,
            email=email,
            return_url=return_url.format(reference=reference),
            notify_url=notify_url,
            at=at,
        )
        if reference not in payments and bank_order_key(departure.order) not in payments.bank_orders:
            return departure


def hand_over(payments: Payments, payment: Payment, *, first_ask: datetime, at: datetime) -> None:
    """Note that the browser leaves for the bank, and when to ask the bank about it."""
    payment.move(PaymentState.REDIRECTED, at)
    tell(payments, "payment", payment=payment.reference, state=payment.state)
    payments.ask_at(payment.reference, first_ask)


def apply(portal: Portal, registry: Any, payment: Payment, evidence: Evidence) -> Outcome:
    """Apply evidence to a payment: move it by the table, book money that is not booked, free its invoices at an end."""
    if evidence.key in {known.key for known in payment.evidence}:
        return Outcome.DUPLICATE
    if not _is_about(portal["paiements"], payment, evidence):
        raise_alert(portal, payment, "opération de la banque déjà rattachée à un autre paiement", evidence.at)
        return Outcome.QUARANTINED
    move = move_of(payment.state, evidence, payment.evidence)
    payment.evidence = (*payment.evidence, evidence)
    payment.move(move.to, evidence.at)
    tell(portal, "payment", payment=payment.reference, state=payment.state, told=evidence.channel)
    if move.effect is Effect.ALERT:
        raise_alert(portal, payment, f"message « {evidence.status} » après un paiement accepté", evidence.at)
    if move.effect is Effect.QUARANTINE:
        raise_alert(portal, payment, f"message « {evidence.status} » mis de côté", evidence.at)
    if payment.is_paid:
        _book_what_is_not(portal, registry, payment, evidence)
    _guard(portal, payment)
    if payment.is_open and payment.reference not in portal["paiements"].to_ask:
        # One that a late message opens again was asked about no more.
        portal["paiements"].ask_at(payment.reference, evidence.at)
    return Outcome.QUARANTINED if move.effect is Effect.QUARANTINE else Outcome.APPLIED


def reconcile(payments: Payments, payment: Payment, transaction: str, at: datetime) -> None:
    """Note that a journal of the bank shows money as we booked it; a payment ends when all it took was shown."""
    payments.unmatched.pop(transaction, None)
    if transaction in payment.reconciled:
        return
    payment.reconciled |= {transaction}
    if payment.is_paid and {fact.transaction for fact in payment.posted if fact.takes} <= payment.reconciled:
        payment.move(PaymentState.RECONCILED, at)


def _is_about(payments: Payments, payment: Payment, evidence: Evidence) -> bool:
    """Tie an operation of the bank to its payment, once and for all; false when it is tied to another."""
    if not evidence.transaction:
        return True
    if evidence.transaction not in payments.transactions:
        payments.transactions[evidence.transaction] = payment.reference
    return bool(payments.transactions[evidence.transaction] == payment.reference)


def expire(portal: Portal, payment: Payment, at: datetime) -> None:
    """Apply that the bank, asked after its page had died, knows nothing of a payment."""
    move = MOVES[payment.state][EvidenceKind.UNKNOWN_AT_BANK]
    payment.move(move.to, at)
    tell(portal, "payment", payment=payment.reference, state=payment.state)
    _guard(portal, payment)


def _guard(portal: Portal, payment: Payment) -> None:
    """Keep the shield on while the bank may take the money (again), and off otherwise: then staff need not look."""
    if payment.is_open:
        shield(payment)
    else:
        release(portal, payment)
        portal["paiements"].left_to_staff.pop(payment.reference, None)


def shield(payment: Payment) -> None:
    """Shield the invoices of an open payment against another, where no other does already."""
    for share in payment.shares:
        invoice = payment.account.invoices[share.invoice]
        if invoice.open_payment is None:
            invoice.open_payment, invoice.open_since = payment.reference, payment.opened_at


def release(portal: Portal, payment: Payment) -> None:
    """Free the invoices of a payment from its shield; an older attempt that is open again takes them over."""
    for share in payment.shares:
        invoice = payment.account.invoices[share.invoice]
        if invoice.open_payment == payment.reference:
            invoice.open_payment = invoice.open_since = None
    for other in portal["paiements"].of(payment.family_code):
        if other.is_open:
            shield(other)


def _book_what_is_not(portal: Portal, registry: Any, payment: Payment, evidence: Evidence) -> None:
    booked = {(fact.kind, fact.transaction): fact.amount for fact in payment.posted}
    kind = entry_kind_of(evidence)
    shown = booked.get((kind, evidence.transaction)) if kind is not None else None
    if shown is not None and shown != evidence.amount and evidence.kind is not EvidenceKind.VOIDED:
        raise_alert(portal, payment, "deux montants pour la même opération de la banque", evidence.at)
    for fact in sorted(money_facts(payment.evidence), key=lambda fact: (not fact.takes, fact.kind, fact.transaction)):
        if (fact.kind, fact.transaction) not in booked:
            payment.posted |= {fact}
            if fact.takes:
                _take(portal, registry, payment, fact, evidence)
            else:
                _give_back(portal, registry, payment, fact, evidence.at)


def _take(portal: Portal, registry: Any, payment: Payment, fact: MoneyFact, evidence: Evidence) -> None:
    """Book money that came in: on the invoices it was meant for, the rest to *recettes à classer*."""
    first = not payment.receipts
    portal["paiements"].unmatched[fact.transaction] = Unmatched(payment.reference, evidence.at, is_told=False)
    meant = [Share(share.invoice, share.amount - payment.held.get(share.invoice, ZERO)) for share in payment.shares]
    room = {share.invoice: room_on(payment.account, share.invoice) for share in meant}
    allocation = allocate(fact.amount, meant, room, payment.unclassified)
    _post(payment, fact, allocation, evidence.at)
    number = payment.account.regie.next_receipt_number(french.local(evidence.at).year)
    receipt = Receipt(
        number,
        evidence.at,
        fact.amount,
        fact.transaction,
        evidence.authorisation,
        allocation.shares,
        allocation.unclassified,
    )
    payment.receipts = (*payment.receipts, receipt)
    if not first:
        raise_alert(portal, payment, "seconde opération acceptée pour le même paiement", evidence.at)
    if fact.amount != payment.amount:
        raise_alert(portal, payment, f"{fact.amount} reçus pour {payment.amount} demandés", evidence.at)
    if allocation.unclassified:
        set_aside(portal, payment, allocation.unclassified, fact.transaction, evidence.at)
    registry.notify(ReceiptIssued(portal=portal, payment=payment, number=number, at=evidence.at))


def _give_back(portal: Portal, registry: Any, payment: Payment, fact: MoneyFact, at: datetime) -> None:
    """Book money that went back: the invoices it paid are due again."""
    held = [Share(share.invoice, payment.held.get(share.invoice, ZERO)) for share in payment.shares]
    _post(payment, fact, take_back(fact.amount, held, payment.unclassified), at)
    raise_alert(portal, payment, f"{fact.kind} de {fact.amount}", at)
    registry.notify(MoneyReturned(portal=portal, payment=payment, fact=fact, at=at))


def _post(payment: Payment, fact: MoneyFact, allocation: Allocation, at: datetime) -> None:
    """Write the entries of a money fact, and what it changes on the invoices."""
    for share in allocation.shares:
        _write(payment, fact, LedgerAccount.FAMILY, share.amount, share.invoice, at)
        signed = share.amount if fact.takes else -share.amount
        payment.account.invoices[share.invoice].record_payment(payment.reference, signed)
        payment.held = {**payment.held, share.invoice: payment.held.get(share.invoice, ZERO) + signed}
    if allocation.unclassified:
        _write(payment, fact, LedgerAccount.UNCLASSIFIED, allocation.unclassified, None, at)
        payment.unclassified += allocation.unclassified if fact.takes else -allocation.unclassified


def _write(
    payment: Payment, fact: MoneyFact, other: LedgerAccount, amount: Money, invoice: str | None, at: datetime
) -> None:
    debit, credit = (LedgerAccount.BANK, other) if fact.takes else (other, LedgerAccount.BANK)
    document = f"{payment.reference} {fact.transaction}"
    payment.account.book(Draft(at, EntryKind(fact.kind), debit, credit, amount, invoice, document))


def room_on(account: FamilyAccount, name: str) -> Money:
    """Tell how much an invoice can take: what is left to pay; nothing once cancelled or sent to the Treasury."""
    invoice = account.invoices[name]
    if invoice.figures.state in (BillingState.CANCELLED, BillingState.SENT_TO_TREASURY, BillingState.PAID_AT_COUNTER):
        return ZERO
    return max(invoice.left(), ZERO)
