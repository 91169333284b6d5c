"""Taking a journal of the bank in: what it says was done, compared with what we booked.

Each row is compared with its payment, and what we missed goes through `services.apply`; what names no payment of ours
is asked of the bank and held in suspense; what we booked and the journals never show is told.  Small transactions, each
of which leaves things right: killed anywhere, the same file is taken again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import transaction

from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import Evidence, EvidenceKind, entry_kind_of
from sevres_familles.payments.gateways.port import (
    BankJournal,
    BankOrder,
    BankUnreachable,
    JournalKind,
    JournalRow,
    OddRow,
    PaymentGateway,
)
from sevres_familles.payments.journals.resources import (
    Absent,
    Judged,
    MissingDay,
    Report,
    Verdict,
    days_taken,
    keep_journal,
    sha256_of,
)
from sevres_familles.payments.records import raise_alert
from sevres_familles.payments.resources import Payment, Payments
from sevres_familles.payments.services import Outcome, apply, reconcile
from sevres_familles.payments.suspense import hold, suspense_of
from sevres_familles.payments.turns import booking_turn
from sevres_familles.web.root import Portal, portal_in

#: In how many journals the bank may show what we booked: that of the day, and of the two after it.
_DAYS_TO_SHOW = 3
#: How far back days that lack and money that is absent are looked for, and told of again.
_LOOKED_BACK = timedelta(days=90)
_ROWS_A_TRANSACTION = 100
_ATTEMPTS = 10
_GIVEN_BACK = {EntryKind.REFUND: Verdict.REFUND, EntryKind.CHARGEBACK: Verdict.CHARGEBACK}


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
        judged = sorted((*taking.judge(journal.rows), *map(_set_aside, journal.odd)))
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

    def keep(self, content: bytes, name: str, journal: BankJournal, judged: Sequence[Judged]) -> Report:
        """Keep the file and what came of it, and tell staff, once, of what is odd, not confirmed, or not shown."""
        told = tuple(each for each in judged if each.verdict not in (Verdict.POINTED, Verdict.NO_MONEY))
        counts = tuple(Counter(each.verdict for each in judged).items())

        def act(portal: Portal) -> Report:
            for row in journal.odd:
                portal["paiements"].unmatched.pop(row.transaction, None)
            missing, absent = self._other_way_round(portal, journal)
            report = Report(
                *(name, sha256_of(content), self._gateway_name, journal.kind, journal.day, self._now),
                *(counts, told, absent, missing),
            )
            if report.sha256 not in portal.stores["journals"]:
                self._alert(portal, told)
            keep_journal(portal, content, report)
            return report

        report: Report = self._in_transaction(act)
        return report

    def _alert(self, portal: Portal, told: Sequence[Judged]) -> None:
        """Alert about the rows that named no payment of ours; `apply` and `hold` alert about the others."""
        for each in told:
            text = ""
            if each.verdict is Verdict.UNCONFIRMED:
                text = f"{each.amount} dans un journal de la banque, qu’elle ne confirme pas"
            elif each.why:
                text = f"ligne {each.line} d’un journal de la banque mise de côté : {each.why}"
            if text:
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
            payments: Payments = portal["paiements"]
            payment = payments.find(row.reference)
            verdict: Verdict | None = None
            if row.line in again:
                verdict = Verdict.REPEATED
            elif payment is not None:
                verdict = self._settle(portal, payment, row.evidence)
            elif entry_kind_of(row.evidence) is None and row.evidence.kind is not EvidenceKind.UNCLEAR:
                verdict = Verdict.NO_MONEY
            if verdict is not Verdict.NO_MONEY:
                # Whatever became of it, the bank did show it: it is not absent.
                payments.unmatched.pop(row.evidence.transaction, None)
            verdicts.append(verdict)
        return verdicts

    def _settle(self, portal: Portal, payment: Payment, evidence: Evidence) -> Verdict:
        """Compare a row with its payment, and apply what we missed."""
        kind = entry_kind_of(evidence)
        if kind is None:
            return self._without_money(portal, payment, evidence)
        before = _booked(payment, kind, evidence.transaction)
        outcome = apply(portal, self._registry, payment, evidence)
        if kind is EntryKind.VOID and outcome is not Outcome.QUARANTINED:
            return Verdict.VOID
        booked = _booked(payment, kind, evidence.transaction)
        if outcome is Outcome.QUARANTINED or booked is None:
            return Verdict.ASIDE
        if booked != evidence.amount:
            return Verdict.DIFFERENT
        if kind is not EntryKind.PAYMENT:
            return _GIVEN_BACK[kind]
        reconcile(portal["paiements"], payment, evidence.transaction, self._now)
        return Verdict.POINTED if before is not None else Verdict.LOST_NOTICE

    def _without_money(self, portal: Portal, payment: Payment, evidence: Evidence) -> Verdict:
        """Apply what may end a payment that has no end, what we cannot read, and that money we booked never came.

        A refusal of the past is nothing.
        """
        is_denied = evidence.kind is EvidenceKind.REFUSED and _booked(payment, EntryKind.PAYMENT, evidence.transaction)
        if evidence.kind is EvidenceKind.UNCLEAR or is_denied:
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

    def _other_way_round(
        self, portal: Portal, journal: BankJournal
    ) -> tuple[tuple[MissingDay, ...], tuple[Absent, ...]]:
        """Find the days that are missing, and what we booked that no journal shows; tell staff of it once."""
        if journal.kind is not JournalKind.TRANSACTIONS:
            return (), ()
        before = days_taken(portal, self._gateway_name)
        last = max([*before, journal.day])
        days = sorted(day for day in {*before, journal.day} if day >= last - _LOOKED_BACK)
        return _missing(days, before), tuple(self._absent(portal, days))

    def _absent(self, portal: Portal, days: Sequence[date]) -> Iterator[Absent]:
        """Find what we booked on days since when we had every journal, and none shows; forget what is too old."""
        payments: Payments = portal["paiements"]
        taken, oldest = frozenset(days), days[-1] - _LOOKED_BACK
        for operation, each in list(payments.unmatched.items()):
            day = each.at.date()
            if day < oldest:
                del payments.unmatched[operation]
                continue
            is_due = each.is_told or taken.issuperset(day + timedelta(days=number) for number in range(_DAYS_TO_SHOW))
            if not is_due or not self._is_ours(payments, each.reference):
                continue
            yield Absent(each.reference, operation, each.at, is_new=not each.is_told)
            if not each.is_told:
                payments.unmatched[operation] = each._replace(is_told=True)
                payment = payments.find(each.reference)
                raise_alert(portal, payment, "accepté chez nous, absent des journaux de la banque", self._now)

    def _is_ours(self, payments: Payments, reference: str) -> bool:
        """Tell whether a payment went through this gateway."""
        payment = payments.find(reference)
        return payment is not None and payment.account.regie.description.gateway == self._gateway_name


def _booked(payment: Payment, kind: EntryKind, transaction: str) -> Money | None:
    """Find for how much an operation of the bank is in the books."""
    sums = {(fact.kind, fact.transaction): fact.amount for fact in payment.posted}
    return sums.get((kind, transaction))


def _repeated(rows: Sequence[JournalRow]) -> frozenset[int]:
    """Find the lines that say again what a line before them said."""
    seen: set[object] = set()
    again = set()
    for row in rows:
        if row.evidence.key in seen:
            again.add(row.line)
        seen.add(row.evidence.key)
    return frozenset(again)


def _missing(days: Sequence[date], before: Sequence[date]) -> tuple[MissingDay, ...]:
    """Find the days that lack between the first and the last; new are those after all that were taken before."""
    every = {days[0] + timedelta(days=number) for number in range((days[-1] - days[0]).days)}
    return tuple(MissingDay(day, is_new=day > before[-1]) for day in sorted(every - set(days)))


def _set_aside(row: OddRow) -> Judged:
    return Judged(row.line, row.reference, None, Verdict.ASIDE, row.text)
