"""Taking a journal of the bank in: what it says was done, compared with what we booked.

Each row is compared with its payment, and what we missed goes through `services.apply`; what names no payment of ours
is asked of the bank and held in suspense; what we booked and the journals never show is told.  Small transactions, each
of which leaves things right: killed anywhere, the same file is taken again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import transaction

from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.payment import Evidence, EvidenceKind, entry_kind_of
from sevres_familles.payments.gateways.port import (
    BankJournal,
    BankOrder,
    BankUnreachable,
    JournalKind,
    JournalRow,
    PaymentGateway,
)
from sevres_familles.payments.journals.resources import (
    Absent,
    Judged,
    KeptJournal,
    Report,
    Verdict,
    kept_reports,
    sha256_of,
)
from sevres_familles.payments.records import raise_alert
from sevres_familles.payments.resources import Payment, Payments
from sevres_familles.payments.services import Outcome, apply, reconcile
from sevres_familles.payments.suspense import hold, suspense_of
from sevres_familles.payments.turns import booking_turn
from sevres_familles.web.root import Portal, portal_in

#: How long the bank may take to show in a journal what we booked.
PATIENCE = timedelta(days=2)
_ROWS_A_TRANSACTION = 100
_ATTEMPTS = 10
_GIVEN_BACK = {
    EntryKind.REFUND: Verdict.REFUND,
    EntryKind.VOID: Verdict.VOID,
    EntryKind.CHARGEBACK: Verdict.CHARGEBACK,
}


def take_journal(registry: Any, gateway_name: str, content: bytes, *, name: str) -> Report:
    """Take a journal of a bank in, and keep it; one that was taken whole before changes nothing.

    :param name: the file's name, for people.
    :raises UnreadableJournal: naming every fault; nothing is taken then.
    """
    gateway: PaymentGateway = registry.gateways[gateway_name]
    manager = transaction.TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=manager)
    try:
        with manager:
            kept = _portal(connection, registry).stores["journals"].get(sha256_of(content))
            if kept is not None and kept.report.is_done:
                return kept.report  # type: ignore[no-any-return]
        now = registry.clock.now()
        journal = gateway.read_journal(content, at=now)
        taking = _Taking(registry, manager, connection, gateway_name, gateway, now)
        judged = tuple(taking.judge(journal.rows))
        return taking.keep(content, name, journal, judged)
    finally:
        connection.close()


def _portal(connection: Any, registry: Any) -> Portal:
    return portal_in(connection.root(), registry)


class _Taking:
    """One run through a journal: its transactions, and the bank that is asked in between."""

    def __init__(
        self, registry: Any, manager: Any, connection: Any, gateway_name: str, gateway: PaymentGateway, now: datetime
    ) -> None:
        self._registry, self._manager, self._connection = registry, manager, connection
        self._gateway_name, self._gateway, self._now = gateway_name, gateway, now

    def judge(self, rows: Sequence[JournalRow]) -> Iterator[Judged]:
        """Go through the rows, a few a transaction."""
        again = _repeated(rows)
        for start in range(0, len(rows), _ROWS_A_TRANSACTION):
            chosen = rows[start : start + _ROWS_A_TRANSACTION]
            verdicts = self._in_transaction(lambda portal, chosen=chosen: self._known(portal, chosen, again))
            for row, verdict in zip(chosen, verdicts, strict=True):
                settled = verdict if verdict is not None else self._unknown(row)
                yield Judged(row.line, row.reference, row.evidence.amount, settled)
            self._connection.cacheGC()

    def keep(self, content: bytes, name: str, journal: BankJournal, judged: tuple[Judged, ...]) -> Report:
        """Keep the file and what came of it, and tell staff, once, of what the bank does not confirm or show."""
        told = tuple(each for each in judged if each.verdict not in (Verdict.POINTED, Verdict.NO_MONEY))
        counts = tuple(Counter(each.verdict for each in judged).items())

        def act(portal: Portal) -> Report:
            absent = self._absent(portal, journal) if journal.kind is JournalKind.TRANSACTIONS else ()
            report = Report(
                *(name, sha256_of(content), self._gateway_name, journal.kind, journal.day, self._now),
                *(counts, told, absent),
            )
            if report.sha256 not in portal.stores["journals"]:
                self._tell_unconfirmed(portal, told)
            portal.stores["journals"][report.sha256] = KeptJournal(content, report)
            return report

        report: Report = self._in_transaction(act)
        return report

    def _tell_unconfirmed(self, portal: Portal, told: Sequence[Judged]) -> None:
        for each in told:
            if each.verdict is Verdict.UNCONFIRMED:
                text = f"{each.amount} dans un journal de la banque, qu’elle ne confirme pas"
                raise_alert(portal, None, text, self._now, reference=each.reference)

    def _in_transaction(self, act: Any) -> Any:
        with booking_turn(self._registry.settings_of_portal):
            for attempt in self._manager.attempts(_ATTEMPTS):
                with attempt:
                    result = act(_portal(self._connection, self._registry))
        return result

    def _known(self, portal: Portal, rows: Sequence[JournalRow], again: frozenset[int]) -> list[Verdict | None]:
        """Settle the rows that name a payment of ours, or nothing to book; none for the others."""
        verdicts: list[Verdict | None] = []
        for row in rows:
            payment = portal["paiements"].find(row.reference)
            if row.line in again:
                verdicts.append(Verdict.REPEATED)
            elif payment is not None:
                verdicts.append(self._settle(portal, payment, row.evidence))
            else:
                verdicts.append(None if entry_kind_of(row.evidence) else Verdict.NO_MONEY)
        return verdicts

    def _settle(self, portal: Portal, payment: Payment, evidence: Evidence) -> Verdict:
        """Compare a row with its payment, and apply what we missed."""
        kind = entry_kind_of(evidence)
        if kind is None:
            return self._without_money(portal, payment, evidence)
        booked = {(fact.kind, fact.transaction): fact.amount for fact in payment.posted}
        before = booked.get((kind, evidence.transaction))
        if apply(portal, self._registry, payment, evidence) is Outcome.QUARANTINED:
            return Verdict.ASIDE
        if kind is not EntryKind.VOID and before not in (None, evidence.amount):
            return Verdict.DIFFERENT
        if kind is not EntryKind.PAYMENT:
            return _GIVEN_BACK[kind]
        reconcile(portal["paiements"], payment, evidence.transaction, self._now)
        return Verdict.POINTED if before is not None else Verdict.LOST_NOTICE

    def _without_money(self, portal: Portal, payment: Payment, evidence: Evidence) -> Verdict:
        """Apply what may end a payment that has no end, and what we cannot read; a refusal of the past is nothing."""
        if evidence.kind is EvidenceKind.UNCLEAR:
            apply(portal, self._registry, payment, evidence)
            return Verdict.ASIDE
        if payment.is_open:
            apply(portal, self._registry, payment, evidence)
        return Verdict.NO_MONEY

    def _unknown(self, row: JournalRow) -> Verdict:
        """Ask the bank about an order that we do not know, and hold what it confirms."""
        if self._in_transaction(lambda portal: self._is_held(portal, row)):
            return Verdict.UNKNOWN
        try:
            answers = self._gateway.ask(BankOrder(row.reference, "", ""), at=self._now)
        except BankUnreachable:
            answers = ()
        told = [each for each in answers if entry_kind_of(each) is not None]
        if row.evidence.transaction not in {each.transaction for each in told}:
            return Verdict.UNCONFIRMED
        if row.evidence.kind is EvidenceKind.CHARGEBACK:
            told.append(row.evidence)
        outcomes = self._in_transaction(
            lambda portal: [hold(portal, self._gateway_name, row.reference, each) for each in told]
        )
        return Verdict.ASIDE if Outcome.QUARANTINED in outcomes else Verdict.UNKNOWN

    def _is_held(self, portal: Portal, row: JournalRow) -> bool:
        suspense = suspense_of(portal, self._gateway_name)
        held = suspense.order(row.reference).posted if suspense else ()
        return (entry_kind_of(row.evidence), row.evidence.transaction) in {
            (fact.kind, fact.transaction) for fact in held
        }

    def _absent(self, portal: Portal, journal: BankJournal) -> tuple[Absent, ...]:
        """Find what we booked two days before, that no journal shows; tell staff once."""
        payments: Payments = portal["paiements"]
        first = _first_day(portal, self._gateway_name, journal.day)
        until = datetime.combine(journal.day, time.max, UTC) - PATIENCE
        absent = []
        for operation, each in list(payments.unmatched.items()):
            if first <= each.at.date() and each.at <= until and self._is_ours(payments, each.reference):
                absent.append(Absent(each.reference, operation, each.at))
                if not each.is_told:
                    payments.unmatched[operation] = each._replace(is_told=True)
                    payment = payments.find(each.reference)
                    raise_alert(portal, payment, "accepté chez nous, absent des journaux de la banque", self._now)
        return tuple(absent)

    def _is_ours(self, payments: Payments, reference: str) -> bool:
        """Tell whether a payment went through this gateway."""
        payment = payments.find(reference)
        return payment is not None and payment.account.regie.description.gateway == self._gateway_name


def _repeated(rows: Sequence[JournalRow]) -> frozenset[int]:
    """Find the lines that say again what a line before them said."""
    seen: set[object] = set()
    again = set()
    for row in rows:
        if row.evidence.key in seen:
            again.add(row.line)
        seen.add(row.evidence.key)
    return frozenset(again)


def _first_day(portal: Portal, gateway: str, day: date) -> date:
    """Find the first day of which we have a journal of operations: what is older was never compared."""
    reports = kept_reports(portal)
    return min([day, *(e.day for e in reports if e.gateway == gateway and e.kind is JournalKind.TRANSACTIONS)])
