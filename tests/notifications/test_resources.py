"""What the outbox keeps, for how long, and which addresses it refuses."""

import json
import threading
from datetime import timedelta

import pytest
import transaction

from sevres_familles.notifications.resources import TIDY_AFTER, MailKind, Outbox
from tests.conftest import NOW, make_app
from tests.notifications.conftest import write_mail

NO_ADDRESSES = [
    "",
    "dupond",
    "dupond@",
    "@free.fr",
    "dupond@free",
    "dupond@free.fr\r\nBcc: autre@example.org",
    "dupond@free.fr\nautre@example.org",
    "dupond@free.fr\x00",
    "dupond@free.fr, autre@example.org",
    "dupond@free.fr autre@example.org",
    "<dupond@free.fr>",
    "DUPOND <dupond@free.fr>",
    '"dupond@example.org"@free.fr',
    "dupond(autre@example.org)@free.fr",
    "=?utf-8?q?autre=40example.org?=@free.fr",
    "dupond@=?utf-8?q?example.org?=",
    "dupond@[192.0.2.1]",
    "dupond@free..fr",
    ".dupond@free.fr",
    "dupond.@free.fr",
    "dupond@-free.fr",
    "a" * 65 + "@free.fr",
    "a@" + "b." * 130 + "fr",
    "a" * 1_000_000 + "@free.fr",
    # The Kelvin sign: it folds to the k of another's address.
    "dupond@tiscali.co.u\N{KELVIN SIGN}",
]


@pytest.fixture
def outbox() -> Outbox:
    return Outbox()


def write(outbox, recipient="dupond@free.fr", at=NOW):
    outbox.write(MailKind.PASSWORD_CHANGED, recipient, {"code": "26719"}, domain="ville.example", at=at)


def only(tree):
    ((key, mail),) = tree.items()
    return key, mail


class TestWriting:
    @pytest.mark.parametrize(
        "recipient",
        ["dupond@free.fr", "d.o'brien+école@free.fr".replace("é", "e"), "A_B@sous.domaine.example", "1@a-b.fr"],
    )
    def test_an_address_is_taken(self, outbox, recipient):
        write(outbox, recipient)

        assert only(outbox.waiting)[1].recipient == recipient

    @pytest.mark.parametrize("recipient", NO_ADDRESSES, ids=lambda text: ascii(text[:40]))
    def test_what_is_no_address_is_refused_and_listed_without_it(self, outbox, recipient):
        write(outbox, recipient)

        assert not outbox.waiting
        (mail,) = outbox.given_up()
        assert (mail.error, mail.recipient) == ("WrongAddress", "")

    def test_each_mail_has_a_message_id_of_its_own_in_the_domain_of_the_town(self, outbox):
        for _ in range(100):
            write(outbox)

        names = {mail.message_id for mail in outbox.waiting.values()}
        assert len(names) == 100
        assert all(name.startswith("<") and name.endswith("@ville.example>") for name in names)


class TestWaiting:
    def test_those_that_wait_longest_come_first(self, outbox):
        for minutes in (3, 1, 2):
            write(outbox, f"m{minutes}@free.fr", NOW + timedelta(minutes=minutes))

        due = outbox.due(NOW + timedelta(minutes=2))

        assert [outbox.waiting[key].recipient for key in due] == ["m1@free.fr", "m2@free.fr"]
        assert outbox.oldest() == NOW + timedelta(minutes=1)

    def test_those_whose_link_dies_come_before_all_others_the_shortest_lived_first(self, outbox):
        write(outbox, "old@free.fr", NOW - timedelta(days=1))
        for kind in (MailKind.EMAIL_CONFIRMATION, MailKind.IDENTIFIERS):
            outbox.write(kind, f"{kind}@free.fr", {}, domain="ville.example", at=NOW)

        due = [outbox.waiting[key].recipient for key in outbox.due(NOW)]

        assert due == ["identifiers@free.fr", "email_confirmation@free.fr", "old@free.fr"]

    def test_an_empty_outbox_has_no_oldest(self, outbox):
        assert outbox.oldest() is None


class TestSettled:
    def test_the_last_mail_that_left_is_told_and_not_what_was_given_up_since(self, outbox):
        for minutes in (1, 2):
            write(outbox)
            outbox.mark_sent(only(outbox.waiting)[0], NOW + timedelta(minutes=minutes))
        write(outbox, "nobody", NOW + timedelta(minutes=3))

        assert outbox.last_sent(NOW) == NOW + timedelta(minutes=2)
        assert outbox.last_sent(NOW + timedelta(minutes=3)) is None

    def test_what_a_sent_mail_was_made_from_is_dropped(self, outbox):
        write(outbox)
        key, mail = only(outbox.waiting)

        outbox.mark_sent(key, NOW)

        assert not outbox.waiting
        assert only(outbox.settled)[1] is mail
        assert (mail.context, mail.sent_at) == ({}, NOW)

    def test_noting_what_another_worker_settled_changes_nothing(self, outbox):
        write(outbox)
        key, mail = only(outbox.waiting)
        outbox.mark_sent(key, NOW)

        outbox.mark_sent(key, NOW + timedelta(hours=1))
        outbox.mark_failed(key, "SMTPDataError 451", NOW)
        outbox.give_up(key, "TooLate", NOW)

        assert len(outbox.settled) == 1
        assert (mail.sent_at, mail.error, mail.given_up_at) == (NOW, "", None)

    def test_settled_mails_are_outdated_after_thirty_days(self, outbox):
        write(outbox)
        outbox.mark_sent(only(outbox.waiting)[0], NOW)

        assert outbox.outdated(NOW + timedelta(days=30) - timedelta(seconds=1)) == []
        outdated = outbox.outdated(NOW + timedelta(days=30, seconds=1))
        outbox.drop([*outdated, *outdated])

        assert len(outdated) == 1
        assert not outbox.settled


class TestTidying:
    """What is settled stands among the written for a moment, where requests write."""

    @pytest.fixture
    def keys(self, outbox):
        """Three mails: the first was sent, the second given up ten seconds later, the third waits."""
        for _ in range(3):
            write(outbox)
        keys = list(outbox.waiting)
        outbox.mark_sent(keys[0], NOW)
        outbox.give_up(keys[1], "TooLate", NOW + timedelta(seconds=10))
        return keys

    def test_what_is_settled_waits_no_more(self, outbox, keys):
        assert list(outbox.waiting) == outbox.due(NOW) == [keys[2]]
        assert len(outbox.waiting) == 1
        assert keys[0] not in outbox.waiting
        assert outbox.waiting.get(keys[1]) is None
        assert len(outbox.settled) == 2

    def test_it_is_left_there_for_less_than_a_minute(self, outbox, keys):
        assert outbox.untidy(NOW + TIDY_AFTER - timedelta(seconds=1)) == []
        assert len(outbox.written) == 3

    def test_then_all_of_it_is_put_away_at_once_and_what_waits_stays(self, outbox, keys):
        untidy = outbox.untidy(NOW + TIDY_AFTER)
        outbox.put_away([*untidy, *untidy])

        assert sorted(untidy) == sorted(keys[:2])
        assert list(outbox.written) == [keys[2]]
        assert len(outbox.settled) == 2
        assert outbox.untidy(NOW + timedelta(days=1)) == []


def test_a_context_is_plain_data(stored):
    with stored() as portal:
        mail = write_mail(portal)

        assert json.loads(json.dumps(mail.context)) == mail.context


def test_two_that_write_at_once_do_not_meet(ini, clock, tmp_path):
    """On the storage that is served: each sees the empty outbox, writes a mail, then both commit."""
    app = make_app({**ini, "sevres.storage": f"embedded://{tmp_path}/database"}, clock)
    database = app.registry._zodb_databases[""]
    both_wrote = threading.Barrier(2, timeout=30)
    faults = []

    def write_one():
        manager = transaction.TransactionManager(explicit=True)
        connection = database.open(transaction_manager=manager)
        try:
            with manager:
                write_mail(connection.root()["sevres_familles"])
                both_wrote.wait()
        except Exception as error:
            faults.append(error)
        finally:
            connection.close()

    writers = [threading.Thread(target=write_one) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    connection = database.open()
    assert faults == []
    assert len(connection.root()["sevres_familles"].stores["outbox"].waiting) == 2
    connection.close()
    database.close()
