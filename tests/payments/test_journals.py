"""The bank's journals: what each row becomes in the books, in one reading or several."""

from datetime import timedelta

import pytest

from sevres_familles.domain.ledger import EntryKind, LedgerAccount, balance
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import Channel, EvidenceKind, PaymentState
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.gateways.port import BankUnreachable
from sevres_familles.payments.journals.report import report_lines
from sevres_familles.payments.journals.resources import Verdict, kept_reports
from sevres_familles.payments.journals.taking import take_journal
from sevres_familles.payments.services import Outcome, apply
from sevres_familles.payments.suspense import suspense_faults, suspense_of
from tests import factories
from tests.payments.journal_making import COLUMNS, chargeback, journal, row, unpaid
from tests.payments.making import AT, evidence, gateway, opened

K, S, V = EvidenceKind, PaymentState, Verdict
LOST = "P-7KQ4M2XDN"


class JournalBank:
    """A bank whose journals are read for real, and whose answers the test sets, by order; none: it is silent."""

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.page_life = timedelta(minutes=12)
        self.depart, self.read_journal = gateway().depart, gateway().read_journal

    def ask(self, order, *, at):
        self.asked.append(order.reference)
        if self.answers is None:
            raise BankUnreachable("down")
        return self.answers.get(order.reference, ())


@pytest.fixture
def bank(registry):
    bank = JournalBank()
    registry.gateways = {"systempay": bank}
    return bank


@pytest.fixture
def take(registry, bank, clock):
    """Take a journal in, and give the verdicts of its rows that are told, then those of all."""
    clock.moment = AT

    def taken(content, name="JT.csv"):
        return take_journal(registry, "systempay", content, name=name)

    return taken


@pytest.fixture
def payment(stored, registry, bank):
    """A payment of 60,00 € that left for the bank, as it was then."""
    with stored() as portal:
        factories.store_invoice(factories.store_family(portal))
        return opened(portal, registry)


def tell(stored, registry, payment, *messages):
    with stored() as portal:
        for message in messages:
            apply(portal, registry, portal["paiements"][payment.reference], message)


def verdicts(report):
    return dict(report.counts)


def alerts(portal):
    return [alert.text for alert in portal.stores["alerts"].values()]


def books(portal):
    """The state of everything that money changes."""
    accounts = [account for family in portal["familles"].values() for account in family["comptes"]]
    suspense = suspense_of(portal, "systempay")
    return (
        [account.cash.lines if account.cash else () for account in accounts],
        list(suspense.lines.values()) if suspense else [],
        len(portal.stores["alerts"]),
        len(portal.stores["unclassified"]),
        [(payment.state, payment.evidence) for payment in portal["paiements"].values()],
    )


class TestRows:
    def test_money_that_we_booked_is_pointed_and_ends_the_payment(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))

        report = take(journal(row(payment)))

        assert verdicts(report) == {V.POINTED: 1}
        assert not report.has_troubles
        with stored() as portal:
            assert portal["paiements"][payment.reference].state is S.RECONCILED
            assert not portal["paiements"].unmatched
            assert verify_portal(portal).faults == ()

    def test_a_capture_that_the_journal_tells_is_no_second_payment(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))

        report = take(journal(row(payment, status="CAPTURED")))

        assert verdicts(report) == {V.POINTED: 1}
        with stored() as portal:
            assert len(portal["paiements"][payment.reference].receipts) == 1

    def test_money_that_nobody_told_us_of_is_applied(self, stored, payment, take):
        report = take(journal(row(payment)))

        assert verdicts(report) == {V.LOST_NOTICE: 1}
        with stored() as portal:
            found = portal["paiements"][payment.reference]
            assert found.state is S.RECONCILED
            assert found.evidence[-1].channel is Channel.JOURNAL
            assert found.receipts[0].authorisation == "3fe2a1"
            assert found.account["2026-9161"].left() == ZERO
            assert verify_portal(portal).faults == ()

    def test_late_money_wins_over_an_expiry(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.ABANDONED, transaction=""))

        take(journal(row(payment)))

        with stored() as portal:
            assert portal["paiements"][payment.reference].is_paid

    def test_an_unclear_message_before_it_does_not_hide_the_money(self, stored, registry, payment, take):
        """The notification disagreed with itself, in the very words of the journal's row."""
        clear = evidence(K.AUTHORISED)
        tell(stored, registry, payment, clear._replace(kind=K.UNCLEAR))

        report = take(journal(row(payment)))

        assert verdicts(report) == {V.LOST_NOTICE: 1}
        with stored() as portal:
            assert portal["paiements"][payment.reference].account["2026-9161"].left() == ZERO

    def test_money_given_back_of_a_payment_that_took_none_is_set_aside_each_time(self, stored, payment, take):
        """It counts once the payment is known; until then nothing may call it booked."""
        refund = row(payment, uuid="u2", amount=2000, operation="CREDIT", status="CAPTURED")

        reports = [take(journal(refund, day=day)) for day in ("20261123", "20261124")]

        assert [verdicts(report) for report in reports] == [{V.ASIDE: 1}, {V.ASIDE: 1}]
        with stored() as portal:
            assert portal["paiements"][payment.reference].posted == frozenset()

    def test_money_that_we_booked_and_the_bank_refused_in_the_end_is_set_aside(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))

        report = take(journal(row(payment, status="CAPTURE_FAILED")))

        assert verdicts(report) == {V.ASIDE: 1}
        with stored() as portal:
            assert alerts(portal) == ["message « CAPTURE_FAILED » après un paiement accepté"]

    def test_an_odd_row_is_set_aside_with_an_alert_once_and_the_others_are_taken(self, stored, payment, take):
        content = journal(row(payment), row(order="P-7KQ4M2XDN", uuid="u9", amount=0, operation="VERIFICATION"))

        report = take(content)
        take(content)

        assert [(each.line, each.verdict) for each in report.told] == [(3, V.LOST_NOTICE), (4, V.ASIDE)]
        assert report.has_troubles
        with stored() as portal:
            (alert,) = portal.stores["alerts"].values()
            assert alert.reference == "P-7KQ4M2XDN"
            assert "ligne 4 d’un journal de la banque mise de côté : AMOUNT" in alert.text

    def test_another_amount_alerts_and_books_nothing_more(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))

        report = take(journal(row(payment, amount=5000)))

        assert verdicts(report) == {V.DIFFERENT: 1}
        assert report.has_troubles
        with stored() as portal:
            found = portal["paiements"][payment.reference]
            assert found.held == {"2026-9161": Money(6000)}
            assert found.state is S.ACCEPTED
            assert alerts(portal) == ["deux montants pour la même opération de la banque"]
            assert verify_portal(portal).faults == ()

    @pytest.mark.parametrize("is_known", [True, False])
    def test_a_refund_is_applied_once(self, stored, registry, payment, take, is_known):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        if is_known:
            tell(stored, registry, payment, evidence(K.CREDIT, 2000, transaction="u2"))

        report = take(journal(row(payment, uuid="u2", amount=2000, operation="CREDIT", status="CAPTURED")))

        assert verdicts(report) == {V.REFUND: 1}
        with stored() as portal:
            assert portal["paiements"][payment.reference].account["2026-9161"].left() == Money(2000)
            assert verify_portal(portal).faults == ()

    def test_a_cancellation_is_reversed(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))

        report = take(journal(row(payment, status="CANCELLED")))

        assert verdicts(report) == {V.VOID: 1}
        with stored() as portal:
            assert portal["paiements"][payment.reference].account["2026-9161"].left() == Money(6000)

    def test_an_impaye_makes_the_invoice_due_again(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        take(journal(row(payment)))

        report = take(unpaid(chargeback(payment)), "JRI.csv")

        assert verdicts(report) == {V.CHARGEBACK: 1}
        with stored() as portal:
            account = portal["paiements"][payment.reference].account
            assert account["2026-9161"].left() == Money(6000)
            assert account.entries()[-1].draft.kind is EntryKind.CHARGEBACK
            assert "impayé de 60,00\u00a0€" in alerts(portal)[-1]
            assert verify_portal(portal).faults == ()

    def test_a_refusal_ends_an_open_payment_and_is_nothing_to_a_paid_one(self, stored, registry, payment, take):
        first = take(journal(row(payment, uuid="u0", status="REFUSED")))
        tell(stored, registry, payment, evidence(K.AUTHORISED))

        second = take(journal(row(payment, uuid="u00", status="REFUSED")))

        assert verdicts(first) == verdicts(second) == {V.NO_MONEY: 1}
        with stored() as portal:
            assert portal["paiements"][payment.reference].state is S.ACCEPTED
            assert alerts(portal) == []

    def test_words_that_we_do_not_know_are_set_aside(self, stored, payment, take):
        report = take(journal(row(payment, status="MYSTERY")))

        assert verdicts(report) == {V.ASIDE: 1}
        assert report.has_troubles
        with stored() as portal:
            assert portal["paiements"][payment.reference].state is S.REDIRECTED

    def test_an_operation_of_another_payment_is_set_aside(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        with stored() as portal:
            factories.store_invoice(portal["familles"]["26719"], factories.facts("9174"))
            other = opened(portal, registry, "2026-9174")

            wrong = row(other)

        assert verdicts(take(journal(wrong))) == {V.ASIDE: 1}
        with stored() as portal:
            assert portal["paiements"][other.reference].state is S.REDIRECTED

    def test_a_row_that_stands_twice_is_named(self, stored, registry, payment, take):
        report = take(journal(row(payment), row(payment)))

        assert [(each.line, each.verdict) for each in report.told] == [(3, V.LOST_NOTICE), (4, V.REPEATED)]
        with stored() as portal:
            assert len(portal["paiements"][payment.reference].receipts) == 1

    def test_columns_may_stand_in_any_order(self, stored, registry, payment, take):
        report = take(journal(row(payment), columns=tuple(reversed(COLUMNS))))

        assert verdicts(report) == {V.LOST_NOTICE: 1}


class TestAgain:
    def test_the_same_file_twice_changes_nothing(self, stored, registry, payment, take, bank, clock):
        bank.answers[LOST] = (evidence(K.AUTHORISED, transaction="u9"),)
        content = journal(row(payment), row(order=LOST, uuid="u9"), row(payment, uuid="u2", status="CANCELLED"))
        first = take(content)
        with stored() as portal:
            before = books(portal)
        clock.advance(days=1)

        second = take(content)

        assert second == first
        with stored() as portal:
            assert books(portal) == before
            assert len(portal.stores["journals"]) == 1

    def test_another_file_with_the_same_rows_books_nothing_more(self, stored, registry, payment, take, bank):
        bank.answers[LOST] = (evidence(K.AUTHORISED, transaction="u9"),)
        rows = row(payment), row(order=LOST, uuid="u9")
        take(journal(*rows))
        with stored() as portal:
            before = books(portal)

        report = take(journal(*rows, day="20261124"))

        assert verdicts(report) == {V.POINTED: 1, V.UNKNOWN: 1}
        with stored() as portal:
            assert books(portal) == before

    def test_the_file_is_kept_as_it_was(self, stored, payment, take):
        content = journal(row(payment))

        report = take(content, "JT_12345678_20261123.csv")

        with stored() as portal:
            (kept,) = portal.stores["journals"].values()
            assert kept.file.content == content
            assert kept.report == report
            assert kept_reports(portal) == [report]
        assert report.sha256 in "\n".join(report_lines(report))

    def test_reports_are_read_without_the_bytes_of_the_files(self, stored, payment, take):
        take(journal(row(payment)))
        take(journal(day="20261124"))

        with stored() as portal:
            portal._p_jar.cacheMinimize()
            assert len(kept_reports(portal)) == 2
            loaded = [kept.file._p_changed is not None for kept in portal.stores["journals"].values()]

        assert loaded == [False, False]


class TestLostAttempts:
    """Rows of orders that we do not know: the database is one of yesterday."""

    def test_the_money_that_the_bank_confirms_is_held_in_suspense(self, stored, take, bank):
        bank.answers[LOST] = (evidence(K.AUTHORISED, transaction="u9"),)

        report = take(journal(row(order=LOST, uuid="u9")))

        assert verdicts(report) == {V.UNKNOWN: 1}
        assert report.has_troubles
        with stored() as portal:
            suspense = suspense_of(portal, "systempay")
            assert suspense.balance() == Money(6000)
            assert balance(suspense.entries(), LedgerAccount.BANK) == Money(6000)
            found = verify_portal(portal)
            assert [(each.reference, each.amount, each.family) for each in found.unclassified] == [
                (LOST, Money(6000), "")
            ]
            assert list(suspense_faults(portal)) == []

    def test_what_the_bank_does_not_confirm_is_told_and_tried_again(self, stored, take, bank):
        content = journal(row(order=LOST, uuid="u9"))
        first = take(content)
        bank.answers = None
        second = take(content)
        bank.answers = {LOST: (evidence(K.AUTHORISED, transaction="u9"),)}

        third = take(content)

        assert verdicts(first) == verdicts(second) == {V.UNCONFIRMED: 1}
        assert verdicts(third) == {V.UNKNOWN: 1}
        with stored() as portal:
            assert suspense_of(portal, "systempay").balance() == Money(6000)
            assert sum("ne confirme pas" in text for text in alerts(portal)) == 1

    def test_several_operations_of_one_order_are_each_booked_once(self, stored, take, bank):
        bank.answers[LOST] = (
            evidence(K.REFUSED, transaction="u8"),
            evidence(K.CAPTURED, transaction="u9", sequence=2),
            evidence(K.CREDIT, 2500, transaction="u10"),
        )

        take(journal(
            row(order=LOST, uuid="u8", status="REFUSED"),
            row(order=LOST, uuid="u9", status="CAPTURED", sequence=2),
            row(order=LOST, uuid="u10", amount=2500, operation="CREDIT"),
        ))  # fmt: skip

        with stored() as portal:
            suspense = suspense_of(portal, "systempay")
            assert [(e.draft.kind, e.draft.amount) for e in suspense.entries()] == [
                (EntryKind.PAYMENT, Money(6000)),
                (EntryKind.REFUND, Money(2500)),
            ]
            assert suspense.balance() == Money(3500)
            assert list(suspense_faults(portal)) == []
        assert bank.asked == [LOST]

    def test_an_impaye_of_a_lost_order_is_taken_off(self, stored, take, bank):
        bank.answers[LOST] = (evidence(K.CAPTURED, transaction="u9"),)

        class Lost:
            reference, amount = LOST, Money(6000)

        take(unpaid(chargeback(Lost, uuid="u9")), "JRI.csv")

        with stored() as portal:
            suspense = suspense_of(portal, "systempay")
            assert [e.draft.kind for e in suspense.entries()] == [EntryKind.PAYMENT, EntryKind.CHARGEBACK]
            assert suspense.balance() == ZERO

    def test_words_that_we_do_not_know_make_the_bank_be_asked(self, stored, take, bank):
        bank.answers[LOST] = (evidence(K.AUTHORISED, transaction="u9"),)

        assert verdicts(take(journal(row(order=LOST, uuid="u9", status="MYSTERY")))) == {V.UNKNOWN: 1}
        with stored() as portal:
            assert suspense_of(portal, "systempay").balance() == Money(6000)

    def test_a_refusal_of_a_lost_order_is_nothing(self, stored, take, bank):
        assert verdicts(take(journal(row(order=LOST, status="REFUSED")))) == {V.NO_MONEY: 1}
        assert bank.asked == []

    def test_an_attempt_that_shows_up_later_books_nothing_twice(self, stored, registry, payment, take, bank):
        """Its operation is held already: the attempt waits, and staff are told."""
        with stored() as portal:
            payments = portal["paiements"]
            found = payments[payment.reference]
            payments.remove(payment.reference)
        bank.answers[payment.reference] = (evidence(K.AUTHORISED),)
        take(journal(row(payment)))
        with stored() as portal:
            portal["paiements"].add(payment.reference, found)

        with stored() as portal:
            outcome = apply(portal, registry, portal["paiements"][payment.reference], evidence(K.AUTHORISED))

        assert outcome is Outcome.QUARANTINED
        with stored() as portal:
            assert portal["paiements"][payment.reference].posted == frozenset()
            assert suspense_of(portal, "systempay").balance() == Money(6000)
            assert verify_portal(portal).faults == ()

    def test_a_broken_chain_is_seen(self, stored, take, bank):
        bank.answers[LOST] = (evidence(K.AUTHORISED, transaction="u9"),)
        take(journal(row(order=LOST, uuid="u9")))

        with stored() as portal:
            suspense = suspense_of(portal, "systempay")
            suspense.lines[1] = suspense.lines[1].replace("6000", "7000")

            assert any("chaîne rompue" in fault for fault in suspense_faults(portal))

    def test_an_entry_that_is_gone_is_seen(self, stored, take, bank):
        bank.answers[LOST] = (evidence(K.AUTHORISED, transaction="u9"),)
        take(journal(row(order=LOST, uuid="u9")))

        with stored() as portal:
            del suspense_of(portal, "systempay").lines[1]

            assert any("au grand livre" in fault for fault in suspense_faults(portal))


class TestTheOtherWayRound:
    def test_what_no_journal_shows_after_two_days_alerts_once(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        reports = [take(journal(day=day), f"JT_{day}.csv") for day in ("20261123", "20261124", "20261125", "20261126")]

        assert [len(report.absent) for report in reports] == [0, 0, 1, 1]
        assert "absent de la banque\n" in "\n".join(report_lines(reports[2]))
        with stored() as portal:
            assert alerts(portal) == ["accepté chez nous, absent des journaux de la banque"]

    def test_what_was_told_as_absent_is_recalled_and_is_no_new_trouble(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        reports = [take(journal(day=day)) for day in ("20261123", "20261124", "20261125", "20261126")]

        assert [report.has_troubles for report in reports] == [False, False, True, False]
        assert "absent de la banque (déjà signalé)" in "\n".join(report_lines(reports[3]))

    def test_after_three_months_it_is_recalled_no_more(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        for day in ("20261123", "20261124", "20261125"):
            take(journal(day=day))

        assert take(journal(day="20270222")).absent == ()
        with stored() as portal:
            assert not portal["paiements"].unmatched

    def test_a_journal_that_lacks_is_told_instead_of_the_money_of_its_day(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        reports = [take(journal(day=day)) for day in ("20261122", "20261125", "20261126")]

        assert [report.absent for report in reports] == [(), (), ()]
        lacking = [[(each.day.day, each.is_new) for each in report.missing] for report in reports]
        assert lacking == [[], [(23, True), (24, True)], [(23, False), (24, False)]]
        assert [report.has_troubles for report in reports] == [False, True, False]

    def test_once_it_is_taken_the_money_of_its_day_is_looked_for(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        for day in ("20261122", "20261124", "20261125"):
            assert take(journal(day=day)).absent == ()

        report = take(journal(day="20261123"))

        assert report.missing == ()
        assert [(each.reference, each.is_new) for each in report.absent] == [(payment.reference, True)]

    def test_the_days_of_another_bank_do_not_count(self, stored, registry, payment, take, bank):
        registry.gateways["autre"] = bank
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        for day in ("20261123", "20261124"):
            take_journal(registry, "autre", journal(day=day), name="JT.csv")

        report = take(journal(day="20261125"))

        assert (report.absent, report.missing) == ((), ())

    @pytest.mark.parametrize(
        "shown",
        [
            {"status": "CANCELLED"},
            {"amount": 5000},
            {"status": "MYSTERY"},
            {"status": "CAPTURE_FAILED"},
            {"order": LOST},
            {"amount": 0},
        ],
    )
    def test_what_a_row_names_in_whatever_way_is_not_absent(self, stored, registry, payment, take, shown):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        reports = [take(journal(row(payment, **shown)))]

        reports += [take(journal(day=day)) for day in ("20261124", "20261125", "20261126")]

        assert [report.absent for report in reports] == [()] * 4
        with stored() as portal:
            assert portal["paiements"][payment.reference].reconciled == frozenset()

    @pytest.mark.parametrize("status", ["UNDER_VERIFICATION", "ABANDONED"])
    def test_a_row_that_shows_no_money_yet_does_not_show_it(self, stored, registry, payment, take, status):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        take(journal(row(payment, status=status)))

        assert [len(take(journal(day=day)).absent) for day in ("20261124", "20261125")] == [0, 1]

    def test_what_was_booked_before_the_first_journal_is_not_looked_for(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))

        assert take(journal(day="20261130")).absent == ()

    def test_what_shows_late_is_pointed_and_looked_for_no_more(self, stored, registry, payment, take):
        tell(stored, registry, payment, evidence(K.AUTHORISED))
        for day in ("20261123", "20261124", "20261125", "20261126"):
            take(journal(day=day))

        take(journal(row(payment, status="CAPTURED"), day="20261127"))

        assert take(journal(day="20261128")).absent == ()
        with stored() as portal:
            assert portal["paiements"][payment.reference].state is S.RECONCILED
