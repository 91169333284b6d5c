"""F1 and F2: `kill -9` at any system call of a payment, of the asking worker, of a mail, of an import, of a print run.

Each run kills one process at one call, starts it again, and does what people do then: reload, click again, run the
command again.  Afterwards the portal's books are those of the bank's own file, nothing lost, nothing double.
"""

from collections import Counter
from contextlib import contextmanager, suppress

import pytest

from sevres_familles.domain.money import Money
from sevres_familles.identity.services import credentials_of
from tests.faults.effort import draws, seeds
from tests.faults.families import Unreachable, insist
from tests.faults.house import House, town_of_one_family
from tests.faults.killing import calls_of, killed_at
from tests.identity.helpers import give_printed_password
from tests.regies.exchange.making import family, invoice, line
from tests.sandbox.shop import ACCEPTED, LOST

PRINTED_FOR = "31415"
#: How many runs of each, and how many in one test.
PAYING, ASKING, MAILING = seeds(7, 150, at_once=10), seeds(4, 80, at_once=10), seeds(4, 60, at_once=10)
IMPORTING, PRINTING = seeds(4, 90, at_once=10), seeds(4, 60, at_once=10)
INVOICES = sum(len(slice_) + 2 for slices in (PAYING, ASKING, MAILING) for slice_ in slices) + 1


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with town_of_one_family(tmp_path_factory.mktemp("house"), invoices=INVOICES) as town:
        house = House(town)
        yield house
        house.close()


@pytest.mark.parametrize("slice_", PAYING, ids=str)
def test_killed_at_any_call_of_a_payment_the_portal_loses_nothing_and_doubles_nothing(house, slice_):
    house.settle(house.family.pay(house.next_invoice(), ACCEPTED))  # the first one compiles templates
    counting = calls_of(house.portal)
    house.settle(house.family.pay(house.next_invoice(), ACCEPTED))
    most = counting.stop()
    killed = Counter()

    for _, chance in draws(slice_):
        number = chance.randint(1, most)
        name = house.next_invoice()
        with killed_at(house.portal, number), suppress(Unreachable):
            assert house.family.is_paid(house.family.pay(name, ACCEPTED))
        if not house.portal.is_alive:
            killed[house.stage_of(name)] += 1
            house.revive()
        reference = insist(lambda: house.family.pay(name, ACCEPTED), house.revive)  # noqa: B023 - run at once

        house.settle(reference)
        assert house.family.is_paid(reference)
    print(f"of {len(slice_)} runs, {dict(killed)} kills within {most} calls of a thread")
    assert sum(killed.values()) > len(slice_) // 5


def test_what_the_bank_accepted_while_the_portal_died_is_booked_by_asking(house):
    """F2: the process dies between the bank's word and its own commit, and stays dead."""
    name = house.next_invoice()
    with card_page_of(house, name) as (reference, pay_by_card):
        with killed_at(house.portal, 1, calls="pwrite64"):
            with suppress(Unreachable):
                pay_by_card()
            assert not house.portal.is_alive
        assert house.portal.wait() == -9
        assert not house.is_settled(reference)

        house.run("sevres-ask", "--once")

        assert house.is_settled(reference)
    assert house.town.faults() == ()
    house.portal = house.serve()
    assert house.family.is_paid(reference)


@contextmanager
def card_page_of(house, name):
    """Bring the family to the bank's card page, and give what types its card."""
    reference = house.family.leave(name)
    yield reference, lambda: house.family.pay_at_bank(reference, ACCEPTED)


@pytest.mark.parametrize("slice_", ASKING, ids=str)
def test_killed_at_any_call_the_asking_worker_books_once(house, slice_):
    killed = 0
    house.run("sevres-ask", "--once")
    reference = house.family.pay(house.next_invoice(), LOST)
    most = house.measure("sevres-ask", "--once")
    house.settle(reference)
    for _, chance in draws(slice_):
        reference = house.family.pay(house.next_invoice(), LOST)

        killed += house.run_killed("sevres-ask", "--once", number=chance.randint(1, most))

        house.settle(reference)
        with house.town.store() as (portal, _):
            assert len(portal["paiements"][reference].receipts) == 1
    print(f"{killed} kills of the asking worker within {most} calls")
    assert killed > len(slice_) // 5


@pytest.mark.parametrize("slice_", MAILING, ids=str)
def test_killed_at_any_call_the_mail_worker_sends_each_mail_under_one_message_id(house, slice_):
    house.deliver_later()
    house.settle(house.family.pay(house.next_invoice(), ACCEPTED))
    most = house.measure("sevres-mail", "--once")
    killed = 0
    for _, chance in draws(slice_):
        reference = house.family.pay(house.next_invoice(), ACCEPTED)
        house.settle(reference)

        killed += house.run_killed("sevres-mail", "--once", number=chance.randint(1, most))
        house.deliver_later()

        mails = house.mails_about(reference)
        assert len(mails) >= 1
        assert len({mail["Message-ID"] for mail in mails}) == 1
    print(f"{killed} kills of the mail worker within {most} calls")
    assert killed > len(slice_) // 5


@pytest.mark.parametrize("slice_", IMPORTING, ids=str)
def test_killed_at_any_call_an_import_shows_all_or_nothing_and_the_next_one_goes_on(house, slice_):
    codes = [str(40000 + number) for number in range(30)]

    def files(owed):
        return house.files(
            familles=[family(code) for code in codes],
            factures=[invoice(f"I{code}", code, "99,00", owed) for code in codes],
            lignes=[line(f"I{code}", "99,00") for code in codes],
        )

    def owed():
        with house.town.store() as (portal, _):
            families = portal["familles"]
            return {families[code]["comptes"]["scolaire"].balance() for code in codes if code in families}

    most = house.measure("sevres-import", *files("99,00"))
    before, killed = owed(), 0
    for seed, chance in draws(slice_):
        after = Money(100 + seed)

        killed += house.run_killed(
            "sevres-import", *files(str(after).removesuffix("\u00a0€")), number=chance.randint(1, most)
        )

        assert owed() in (before, {after})
        house.run("sevres-import", *files(str(after).removesuffix("\u00a0€")))
        assert owed() == {after}
        assert house.town.faults() == ()
        before = {after}
    print(f"{killed} kills of the import within {most} calls")
    assert killed > len(slice_) // 5


@pytest.mark.parametrize("slice_", PRINTING, ids=str)
def test_killed_at_any_call_a_print_run_kills_no_earlier_letter(house, slice_):
    def letters():
        """What opens the account of a family without a password of its own, and the runs that wait."""
        with house.town.store() as (portal, _):
            return credentials_of(portal, PRINTED_FOR).__getstate__(), len(portal.stores["printing"].runs)

    command = ("sevres-print", "--regie", "scolaire", "--lot", "CANTINES", "--family", PRINTED_FOR)
    house.take_in(PRINTED_FOR)
    with house.town.store() as (portal, registry):
        give_printed_password(portal, registry, PRINTED_FOR)
    most = house.measure(*command)
    before, killed = letters()[0], 0
    for _, chance in draws(slice_):
        killed += house.run_killed(*command, number=chance.randint(1, most))

        assert letters()[0] == before
    house.run(*command)
    assert letters()[0] == before
    assert house.town.faults() == ()
    print(f"{killed} kills of the print run within {most} calls")
    assert killed > len(slice_) // 5
