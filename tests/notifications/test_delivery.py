"""Delivering: at least once, under one Message-ID, whatever the SMTP server does."""

import logging
import threading
from datetime import timedelta
from itertools import count, pairwise

import pytest
import transaction

from sevres_familles.families.delivery import choose_delivery
from sevres_familles.identity.services import credentials_of
from sevres_familles.notifications.delivery import CLAIM, Delivery, deliver_due
from sevres_familles.notifications.resources import MailKind
from sevres_familles.notifications.scripts import report
from sevres_familles.regies.events import InvoicesPublished
from tests import factories
from tests.conftest import NOW
from tests.identity.helpers import give_password
from tests.notifications.conftest import write_mail

NONCE = "0123456789abcdef" * 2
LINKS = [{"code": "26719", "nonce": NONCE}]


@pytest.fixture
def write(stored):
    """Write mails, one a recipient, and give their Message-IDs."""

    def write(*recipients, **options):
        with stored() as portal:
            return [write_mail(portal, each, **options).message_id for each in recipients or ("dupond@free.fr",)]

    return write


@pytest.fixture
def outbox(stored):
    """Look at the outbox: what waits, what requests see, what is settled, by recipient."""

    class Look:
        @property
        def waiting(self):
            return self._facts("waiting")

        @property
        def written(self):
            return self._facts("written")

        @property
        def settled(self):
            return self._facts("settled")

        def _facts(self, tree):
            with stored() as portal:
                mails = getattr(portal.stores["outbox"], tree).values()
                return {mail.recipient: {**vars(type(mail)), **mail.__getstate__()} for mail in mails}

    return Look()


def recipients(server):
    return sorted(each.recipients[0] for each in server.received)


def names(server):
    return [message["Message-ID"] for message in server.messages]


def claim_in(stored):
    """Claim every waiting mail, as another worker does."""
    with stored() as portal:
        for mail in portal.stores["outbox"].waiting.values():
            mail.claim(until=NOW + CLAIM)


class TestDelivering:
    def test_what_is_due_leaves_and_is_noted(self, write, registry, server, outbox):
        (name,) = write()

        assert deliver_due(registry) == 1

        assert names(server) == [name]
        assert outbox.waiting == {}
        assert outbox.settled["dupond@free.fr"]["sent_at"] == NOW

    def test_what_left_does_not_leave_again(self, write, registry, server, clock):
        write()
        deliver_due(registry)
        clock.advance(days=1)

        assert deliver_due(registry) == 0
        assert len(server.received) == 1

    def test_what_is_not_due_waits(self, write, registry, server):
        write(at=NOW + timedelta(seconds=1))

        assert deliver_due(registry) == 0

    def test_a_round_without_work_writes_nothing(self, write, registry, clock):
        write()
        deliver_due(registry)
        database = registry._zodb_databases[""]
        before = database.lastTransaction()

        deliver_due(registry)

        assert database.lastTransaction() == before

    def test_what_left_is_put_away_a_minute_later_all_at_once(self, write, registry, clock, outbox):
        write("a@free.fr", "b@free.fr")
        deliver_due(registry)
        assert sorted(outbox.written) == ["a@free.fr", "b@free.fr"]

        clock.advance(minutes=1)
        write("c@free.fr", at=clock.moment)
        deliver_due(registry)

        assert list(outbox.written) == ["c@free.fr"]
        assert sorted(outbox.settled) == ["a@free.fr", "b@free.fr", "c@free.fr"]

    def test_it_is_put_away_in_the_midst_of_a_long_round_too(self, write, registry, server, clock, outbox):
        write(*(f"m{number:03}@free.fr" for number in range(60)))

        def pass_two_seconds(mail):
            clock.advance(seconds=2)
            return "250 OK"

        server.answer_mail = pass_two_seconds

        assert deliver_due(registry) == 60
        assert len(outbox.written) < 60

    def test_being_told_to_stop_ends_after_the_mail_under_way(self, write, registry, server, outbox):
        write("a@free.fr", "b@free.fr")

        deliver_due(registry, lambda: len(server.received) == 1)

        assert len(server.received) == 1
        (left,) = outbox.waiting.values()
        assert left["attempts"] == 0

    def test_what_is_settled_is_forgotten_after_thirty_days(self, write, registry, clock, outbox):
        write()
        deliver_due(registry)

        clock.advance(days=29)
        deliver_due(registry)
        assert list(outbox.settled) == ["dupond@free.fr"]
        clock.advance(days=2)
        deliver_due(registry)
        assert outbox.settled == {}


class TestHaste:
    """On invoice day, and after an outage of the relay, thousands of mails wait."""

    def test_a_link_that_dies_within_the_hour_leaves_before_all_that_wait(self, write, registry, server, clock):
        write(*(f"m{number}@free.fr" for number in range(5)))
        clock.advance(minutes=1)
        write("claire@free.fr", kind=MailKind.IDENTIFIERS, context={"links": LINKS}, at=clock.moment)

        deliver_due(registry)

        assert server.received[0].recipients == ["claire@free.fr"]
        assert len(server.received) == 6

    def test_one_that_is_asked_for_meanwhile_leaves_before_its_link_is_dead(self, write, registry, server, clock):
        """A mail a minute: behind the whole row it would leave after more than an hour."""
        write(*(f"m{number:03}@free.fr" for number in range(150)))

        def pass_a_minute(mail):
            if len(server.received) == 9:
                write("claire@free.fr", kind=MailKind.IDENTIFIERS, context={"links": LINKS}, at=clock.moment)
            clock.advance(minutes=1)
            return "250 OK"

        server.answer_mail = pass_a_minute

        assert deliver_due(registry) == 151

        place = [each.recipients[0] for each in server.received].index("claire@free.fr")
        assert 10 <= place <= 50

    def test_a_round_tries_no_mail_twice(self, write, registry, server, clock, outbox):
        """Not even where the next try is due before the round ends."""
        write(*(f"m{number}@free.fr" for number in range(3)))

        def refuse(recipient):
            clock.advance(hours=1)
            return "450 mailbox busy"

        server.answer_recipient = refuse

        assert deliver_due(registry) == 0

        assert {mail["attempts"] for mail in outbox.waiting.values()} == {1}


class TestServerDown:
    def test_the_mail_waits_and_leaves_when_the_server_is_back(self, write, registry, server, clock, outbox):
        (name,) = write()
        server.stop()

        assert deliver_due(registry) == 0
        assert outbox.waiting["dupond@free.fr"]["error"] == "ConnectionRefusedError"
        assert outbox.waiting["dupond@free.fr"]["next_at"] == NOW + timedelta(minutes=1)

        server.start()
        assert deliver_due(registry) == 0
        clock.advance(minutes=1)
        assert deliver_due(registry) == 1
        assert names(server) == [name]

    def test_the_other_mails_are_not_even_tried(self, write, registry, server, outbox):
        write("a@free.fr", "b@free.fr", "c@free.fr")
        server.stop()

        deliver_due(registry)

        assert sorted(mail["attempts"] for mail in outbox.waiting.values()) == [0, 0, 1]

    def test_all_leave_within_an_hour_of_its_return_after_a_day(self, write, registry, server, clock, outbox):
        everybody = [f"{letter}@free.fr" for letter in "abc"]
        write(*everybody)
        server.stop()
        while clock.moment < NOW + timedelta(days=1):
            deliver_due(registry)
            clock.advance(minutes=5)

        server.start()
        for _ in range(12):
            deliver_due(registry)
            clock.advance(minutes=5)

        assert recipients(server) == everybody

    def test_a_server_that_says_it_is_going_away_ends_the_round(self, write, registry, server, outbox):
        write("a@free.fr", "b@free.fr")
        server.answer_recipient = lambda recipient: "421 closing"

        deliver_due(registry)

        assert sorted(mail["attempts"] for mail in outbox.waiting.values()) == [0, 1]

    def test_a_server_that_does_not_answer_is_left_in_time(self, write, server, clock, outbox, registry):
        write()
        server.is_mute = True
        registry.mailer.smtp_mailer.timeout = 0.2

        assert deliver_due(registry) == 0

        assert outbox.waiting["dupond@free.fr"]["error"] == "SMTPServerDisconnected"
        server.is_mute = False
        registry.mailer.smtp_mailer.timeout = 30
        clock.advance(minutes=1)
        assert deliver_due(registry) == 1

    def test_a_server_that_hangs_up_instead_of_answering_gets_the_mail_again_under_the_same_name(
        self, write, registry, server, clock
    ):
        (name,) = write()
        server.hangs_up = True
        assert deliver_due(registry) == 0

        server.hangs_up = False
        clock.advance(minutes=1)

        assert deliver_due(registry) == 1
        assert names(server) == [name, name]


class TestRefusals:
    @pytest.mark.parametrize("answer", ["450 mailbox busy", "550 no such user", "553 relaying denied"])
    def test_a_recipient_refused_waits_and_the_others_leave(self, write, registry, server, outbox, answer):
        write("a@free.fr", "b@free.fr", "c@free.fr")
        server.answer_recipient = lambda recipient: answer if recipient == "b@free.fr" else "250 OK"

        assert deliver_due(registry) == 2

        assert recipients(server) == ["a@free.fr", "c@free.fr"]
        assert outbox.waiting["b@free.fr"]["error"] == f"SMTPRecipientsRefused {answer[:3]}"
        server.answer_recipient = lambda recipient: "250 OK"
        registry.clock.advance(minutes=1)
        assert deliver_due(registry) == 1

    @pytest.mark.parametrize("answer", ["451 try later", "554 looks like spam"])
    def test_a_mail_refused_is_tried_again_under_the_same_name(self, write, registry, server, outbox, answer):
        (name,) = write()
        seen = []
        server.answer_mail = lambda mail: seen.append(mail.message["Message-ID"]) or answer
        deliver_due(registry)
        assert outbox.waiting["dupond@free.fr"]["error"] == f"SMTPDataError {answer[:3]}"

        server.answer_mail = lambda mail: "250 OK"
        registry.clock.advance(minutes=1)
        deliver_due(registry)

        assert [*seen, *names(server)] == [name, name]

    def test_tries_grow_apart_then_end_after_five_days_and_the_mail_stays_listed(
        self, write, registry, server, clock, outbox
    ):
        write()
        server.answer_mail = lambda mail: "451 try later"
        tried = []
        while outbox.waiting:
            clock.moment = outbox.waiting["dupond@free.fr"]["next_at"]
            attempts = outbox.waiting["dupond@free.fr"]["attempts"]
            deliver_due(registry)
            if outbox.waiting and outbox.waiting["dupond@free.fr"]["attempts"] > attempts:
                tried.append(clock.moment - NOW)

        gaps = [later - earlier for earlier, later in pairwise(tried)]
        assert gaps[:3] == [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30)]
        assert set(gaps[3:]) == {timedelta(minutes=50)}
        assert timedelta(days=4, hours=22) < tried[-1] < timedelta(days=5)
        listed = outbox.settled["dupond@free.fr"]
        assert (listed["given_up_at"], listed["sent_at"]) == (clock.moment, None)
        assert listed["error"] == "SMTPDataError 451"


class TestDeadMailbox:
    """An address that refuses the mail of an invoice: its family is not left without a bill."""

    @pytest.fixture
    def family(self, stored, registry):
        """The DUPOND family wants no paper; a mail that tells of an invoice waits."""
        with stored() as portal:
            family = factories.store_family(portal)
            invoice = factories.store_invoice(family)
            give_password(portal, registry)
            credentials_of(portal, family.code).email = "pierre@ville.example"
            choose_delivery(portal, registry, family, electronic=True, at=NOW)
            portal.stores["outbox"].written.clear()
            registry.notify(InvoicesPublished(portal=portal, invoices=(invoice,), at=NOW))

    @pytest.fixture
    def try_for_days(self, registry, clock):
        def try_for_days():
            for _ in range(6):
                deliver_due(registry)
                clock.advance(days=1)

        return try_for_days

    @pytest.fixture
    def choices(self, stored):
        def choices():
            with stored() as portal:
                family = portal["familles"][factories.CODE]
                assert family.electronic_only == family.delivery_choices[-1].electronic
                return [(each.electronic, each.by) for each in family.delivery_choices]

        return choices

    def test_refused_for_good_the_family_has_paper_again(self, family, try_for_days, server, choices, stored):
        server.answer_recipient = lambda recipient: "550 no such user"

        try_for_days()

        assert choices() == [(True, "famille"), (False, "portail")]
        with stored() as portal:
            assert portal.stores["credentials"][factories.CODE].email == "pierre@ville.example"

    def test_its_other_address_is_told_why(self, family, try_for_days, server):
        server.answer_recipient = lambda each: "550 no such user" if each == "pierre@ville.example" else "250 OK"

        try_for_days()

        (message,) = server.messages
        assert message["To"] == "dupond@free.fr"
        assert message["Subject"] == "Vos factures à nouveau sur papier - Espace familles de Sèvres"
        assert "a été refusé par votre messagerie" in message.get_content()

    def test_the_service_is_told_what_to_print(self, family, try_for_days, server, stored):
        server.answer_recipient = lambda recipient: "550 no such user"

        try_for_days()

        with stored() as portal:
            (line, _) = report(portal.stores["outbox"])
        assert line.endswith("SMTPRecipientsRefused 550. À imprimer (sevres-print --family 26719) : scolaire 2026-9161")

    @pytest.mark.parametrize("answer", ["450 mailbox busy", "421 closing"])
    def test_what_may_pass_changes_no_choice(self, family, try_for_days, server, choices, answer):
        server.answer_recipient = lambda recipient: answer

        try_for_days()

        assert choices() == [(True, "famille")]

    def test_a_relay_that_is_away_changes_no_choice(self, family, try_for_days, server, choices):
        server.stop()

        try_for_days()

        assert choices() == [(True, "famille")]

    def test_an_address_that_was_replaced_meanwhile_changes_no_choice(
        self, family, try_for_days, server, choices, stored
    ):
        server.answer_recipient = lambda recipient: "550 no such user"
        with stored() as portal:
            portal.stores["credentials"][factories.CODE].email = "claire@ville.example"

        try_for_days()

        assert choices() == [(True, "famille")]

    def test_one_refusal_is_not_the_end(self, family, registry, server, choices, clock):
        server.answer_recipient = lambda recipient: "550 no such user"
        deliver_due(registry)
        server.answer_recipient = lambda recipient: "250 OK"
        clock.advance(days=1)

        assert deliver_due(registry) == 1

        assert choices() == [(True, "famille")]


class TestWhatMakesNoSense:
    def test_a_link_that_is_dead_is_not_sent(self, write, registry, server, clock, outbox):
        write(kind=MailKind.IDENTIFIERS, context={"links": LINKS})
        clock.advance(minutes=60)

        assert deliver_due(registry) == 0

        assert server.received == []
        assert outbox.settled["dupond@free.fr"]["error"] == "TooLate"

    def test_an_address_has_three_days_to_be_confirmed(self, write, registry, server, clock, outbox):
        write(kind=MailKind.EMAIL_CONFIRMATION, context={"code": "26719", "nonce": NONCE})
        clock.advance(days=2, hours=23)
        server.stop()
        deliver_due(registry)
        server.start()

        clock.advance(hours=2)
        deliver_due(registry)

        assert server.received == []
        assert outbox.settled["dupond@free.fr"]["error"] == "ConnectionRefusedError"

    def test_a_mail_about_what_is_gone_does_not_stop_the_others(self, write, registry, server, outbox):
        write("a@free.fr", kind=MailKind.RECEIPT, context={"payment": "P-GONE", "number": "2026-SCO-000001"})
        write("b@free.fr")

        assert deliver_due(registry) == 1

        assert recipients(server) == ["b@free.fr"]
        assert outbox.waiting["a@free.fr"]["error"] == "KeyError"

    def test_a_hostile_recipient_that_got_in_is_refused_when_it_leaves(self, write, registry, server, stored, outbox):
        write("a@free.fr", "b@free.fr")
        with stored() as portal:
            for mail in portal.stores["outbox"].waiting.values():
                if mail.recipient == "a@free.fr":
                    mail.recipient = "a@free.fr\r\nBcc: autre@example.org"

        assert deliver_due(registry) == 1

        assert recipients(server) == ["b@free.fr"]
        (waiting,) = outbox.waiting.values()
        assert waiting["error"] == "WrongAddress"


class TestWorkers:
    def test_a_claimed_mail_is_left_alone_until_the_claim_runs_out(self, write, registry, server, stored, clock):
        (name,) = write()
        with stored() as portal:
            (mail,) = portal.stores["outbox"].waiting.values()
            mail.claim(until=NOW + CLAIM)

        clock.advance(seconds=CLAIM.total_seconds() - 1)
        assert deliver_due(registry) == 0
        clock.advance(seconds=1)
        assert deliver_due(registry) == 1
        assert names(server) == [name]

    def test_a_mail_that_another_worker_claimed_meanwhile_is_left_to_it(self, write, registry, server, stored):
        """The other worker claims both while this one sends the first."""
        write("a@free.fr", at=NOW - timedelta(seconds=1))
        write("b@free.fr")

        def claim_all(mail):
            claim_in(stored)
            return "250 OK"

        server.answer_mail = claim_all

        assert deliver_due(registry) == 1
        assert recipients(server) == ["a@free.fr"]

    def test_of_two_that_claim_in_the_same_instant_one_lets_go_and_goes_on(
        self, write, registry, server, stored, outbox
    ):
        write(at=NOW - timedelta(seconds=1))
        reads = count()

        class Slow(Delivery):
            """A worker in whose transaction another one claims: it reads the outbox to tidy, to look, then to claim."""

            @property
            def _outbox(self):
                seen = super()._outbox
                if next(reads) == 2:
                    claim_in(stored)
                    write("b@free.fr")
                return seen

        manager = transaction.TransactionManager(explicit=True)
        connection = registry._zodb_databases[""].open(transaction_manager=manager)

        assert Slow(registry, manager, connection).run(lambda: False) == 1

        connection.close()
        assert recipients(server) == ["b@free.fr"]
        assert outbox.waiting["dupond@free.fr"]["attempts"] == 1

    def test_two_at_once_send_each_mail_once(self, write, registry, server, outbox):
        everybody = sorted(f"m{number}@free.fr" for number in range(20))
        write(*everybody)
        together = threading.Barrier(2, timeout=30)

        def work():
            together.wait()
            while outbox.waiting:
                deliver_due(registry)

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

        assert recipients(server) == everybody
        assert len(outbox.settled) == 20


class TestLog:
    def test_names_kind_and_message_id_and_nobody(self, write, registry, server, clock, caplog):
        caplog.set_level(logging.DEBUG)
        (name,) = write()
        server.answer_recipient = lambda recipient: f"550 <{recipient}> no such user"
        deliver_due(registry)
        server.answer_recipient = lambda recipient: "250 OK"
        clock.advance(minutes=1)
        deliver_due(registry)
        write("a@free.fr", kind=MailKind.RECEIPT, context={"payment": "P-GONE", "number": "2026-SCO-000001"})
        clock.advance(minutes=1)
        deliver_due(registry)

        ours = [record for record in caplog.records if record.name.startswith("sevres_familles")]
        assert [record.getMessage() for record in ours][:2] == [
            f"Mail password_changed {name}: SMTPRecipientsRefused 550",
            f"Mail password_changed {name}: sent",
        ]
        told = "\n".join(record.getMessage() for record in ours)
        assert "in _receipt" in told
        assert not any(word in told for word in ("dupond", "free.fr", "26719", "P-GONE"))
