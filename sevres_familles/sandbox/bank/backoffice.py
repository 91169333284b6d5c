"""Do what the merchant asks, and what the bank does by itself at night."""

import secrets
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

from sevres_familles.sandbox.bank.clock import A_DAY, Clock, day_of
from sevres_familles.sandbox.bank.counter import Counter
from sevres_familles.sandbox.bank.journals import write_journals
from sevres_familles.sandbox.bank.records import (
    Chargeback,
    Notice,
    NotificationState,
    Operation,
    Payment,
    Receipt,
    Source,
    Status,
)

#: The last day that was closed, as a number of days since 1970.
_CLOSED = "last day closed"

#: The most days for which journals are written at once, after a long sleep.
_LONGEST_SLEEP = 31


class ActRefused(Exception):
    """The bank does not do what the merchant asks: the text says why, in French."""


@dataclass(frozen=True)
class BackOffice:
    """The bank behind the counter: who works there, and where the journals are laid."""

    counter: Counter
    clock: Clock
    folder: Path

    def capture(self, payment: Payment) -> None:
        """Take the money of an accepted payment now, not at the next remittance.

        :raises ActRefused: when it is not AUTHORISED.
        """
        self._change(payment, Status.AUTHORISED, Status.CAPTURED, Source.BATCH)

    def cancel(self, payment: Payment) -> None:
        """Give up an accepted payment before its remittance: the payer is never debited.

        :raises ActRefused: when it is neither AUTHORISED nor UNDER_VERIFICATION.
        """
        before = Status.UNDER_VERIFICATION if payment.status is Status.UNDER_VERIFICATION else Status.AUTHORISED
        self._change(payment, before, Status.CANCELLED, Source.MERCH_BO)

    def refund(self, payment: Payment, amount: int) -> Payment:
        """Give back money that was taken, whole or in part.

        :param amount: in cents.
        :returns: the operation that gives it back.
        :raises ActRefused: when the payment is not CAPTURED, or the sum is zero, or more than what is left of it.
        """
        if payment.operation is not Operation.DEBIT or payment.status is not Status.CAPTURED:
            raise ActRefused("Seul un paiement remis en banque se rembourse. Avant la remise, annulez-le.")
        if amount <= 0:
            raise ActRefused("Saisissez une somme plus grande que zéro.")
        now = self.clock()
        credit = replace(
            payment,
            uuid=uuid.uuid4().hex,
            amount=amount,
            created_at=now,
            changed_at=now,
            status=Status.AUTHORISED,
            operation=Operation.CREDIT,
            parent=payment.uuid,
            sequence=1,
            hash=secrets.token_hex(32),
            receipt=Receipt.NOT_ASKED,
        )
        notices = self._notices(credit, Source.MERCH_BO)
        if not self.counter.store.give_back(credit, payment.amount, notices):
            raise ActRefused("La somme dépasse ce qui reste de ce paiement.")
        self.counter.courier.wake()
        return credit

    def charge_back(self, payment: Payment) -> None:
        """Have the payer's bank take back what is left of a payment. The shop reads of it in the journal JRI.

        :raises ActRefused: when it is not CAPTURED, or nothing is left of it.
        """
        left = payment.amount - self.counter.store.given_back(payment.uuid)
        if payment.operation is not Operation.DEBIT or payment.status is not Status.CAPTURED or left <= 0:
            raise ActRefused("Seul un paiement remis en banque, et non remboursé, peut revenir impayé.")
        reference = f"IMP{secrets.token_hex(5).upper()}"
        self.counter.store.charge_back(
            Chargeback(reference, payment.uuid, payment.order_id, left, self.clock()),
        )

    def next_day(self) -> None:
        """Put the clock a day forward, and do the work of the night."""
        # The night's work comes first: what the new day brings about may not stand in the journals of the old.
        self._close_days_before(day_of(self.clock()) + 1)
        self.clock.advance()
        self.counter.courier.wake()

    def close_past_days(self) -> None:
        """Remit what was accepted, and lay the journals, for each day that has gone since this was last done."""
        self._close_days_before(day_of(self.clock()))

    def _close_days_before(self, today: int) -> None:
        store = self.counter.store
        closed = store.number(_CLOSED)
        first = today - 1 if closed is None else int(closed) + 1
        for day in range(max(first, today - _LONGEST_SLEEP), today):
            if closed is not None:
                self._remit(day)
                write_journals(store, self.counter.shop, day, self.folder)
            store.keep_number(_CLOSED, day)

    def _remit(self, day: int) -> None:
        """Take, in the last second of a day, the money of all that was accepted until then."""
        end = (day + 1) * A_DAY
        for payment in self.counter.store.payments_with(Status.AUTHORISED, end):
            notices = self._notices(payment, Source.BATCH) if payment.operation is Operation.DEBIT else ()
            self.counter.store.change(payment.uuid, Status.AUTHORISED, Status.CAPTURED, end - 1, notices)

    def _change(self, payment: Payment, before: Status, after: Status, source: Source) -> None:
        is_done = payment.operation is Operation.DEBIT and self.counter.store.change(
            payment.uuid, before, after, self.clock(), self._notices(payment, source)
        )
        if not is_done:
            raise ActRefused("L’état de cette opération ne le permet pas, ou ne le permet plus.")
        self.counter.courier.wake()

    def _notices(self, payment: Payment, source: Source) -> tuple[Notice, ...]:
        """Write what the shop is to be told; when a scenario lost the first notification, it loses these too."""
        page = self.counter.store.page(payment.token)
        if page is None or not page.notification_address:
            return ()
        told = self.counter.store.notifications(payment.parent or payment.uuid)
        is_lost = any(each.state is NotificationState.LOST for each in told)
        state = NotificationState.LOST if is_lost else NotificationState.WAITING
        return (Notice(payment.uuid, self.clock(), source, state),)
