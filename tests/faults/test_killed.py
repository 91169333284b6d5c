"""F1 and F2: `kill -9` at any system call of a payment, of the asking worker, of a mail, of an import, of a print run.

Each run kills one process at one call, starts it again, and does what people do then: reload, click again, run the
command again.  Afterwards the portal's books are those of the bank's own file, nothing lost, nothing double.
"""

from collections import Counter
from contextlib import contextmanager, suppress
from typing import NamedTuple

import pytest

from sevres_familles.domain.money import Money
from sevres_familles.identity.services import credentials_of
from tests.faults.effort import LONG, draws, seeds
from tests.faults.families import Unreachable, insist
from tests.faults.house import House, town_of_one_family
from tests.faults.killing import Point, calls_of, killed_at
from tests.identity.helpers import give_printed_password
from tests.regies.exchange.making import family, invoice, line
from tests.sandbox.shop import ACCEPTED, LOST

#: Families without a password of their own, whose invoices are of a lot of their own.
PRINTED_FOR, LOT = ("31415", "31416", "31417"), "ÉTUDES"
#: How many runs of each, and how many in one test.
PAYING, ASKING, MAILING = seeds(7, 150, at_once=10), seeds(2, 80, at_once=10), seeds(2, 60, at_once=10)
IMPORTING, PRINTING, CONFIRMING = seeds(2, 90, at_once=10), seeds(2, 60, at_once=10), seeds(2, 60, at_once=10)
INVOICES = sum(len(slice_) + 2 for slices in (PAYING, ASKING, MAILING) for slice_ in slices) + 1


#: How far payments had come when the portal was killed: how many.
STAGES = Counter()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with town_of_one_family(tmp_path_factory.mktemp("house"), invoices=INVOICES) as town:
        house = House(town)
        yield house
        house.close()


@pytest.mark.parametrize("slice_", PAYING, ids=str)
def test_killed_at_any_call_of_a_payment_the_portal_loses_nothing_and_doubles_nothing(house, slice_):
    house.settle(house.family.pay(house.next_invoice(), ACCEPTED))  # the first one compiles templates
    points = [points_of(house.portal, step) for step in steps_of(house.family, house.next_invoice())]
    killed = Counter()

    for _, chance in draws(slice_):
        name, place = house.next_invoice(), chance.randrange(len(points))
        *before, step = steps_of(house.family, name)[: place + 1]
        for each in before:
            each()
        with killed_at(house.portal, chance.choice(points[place])), suppress(Unreachable):
            step()
        if not house.portal.is_alive:
            killed[house.stage_of(name)] += 1
            house.revive()
        reference = insist(lambda: house.family.pay(name, ACCEPTED), house.revive)  # noqa: B023 - run at once

        house.settle(reference)
        assert house.family.is_paid(reference)
    print(f"of {len(slice_)} runs, {dict(killed)} kills within {[len(each) for each in points]} calls")
    assert sum(killed.values()) > len(slice_) // 3
    STAGES.update(killed)


def steps_of(family, name):
    """Give the steps of the payment of an invoice, in their order; each knows of those before by the browser."""
    return (
        lambda: family.leave(name),
        lambda: family.pay_at_bank(family.leave(name), ACCEPTED),
        lambda: family.come_back(family.leave(name)),
    )


def points_of(running, act):
    """Do something, and give the points that a process goes through meanwhile."""
    with calls_of(running) as points:
        act()
    return points


@pytest.mark.skipif(not LONG, reason="a few kills do not fall everywhere")
def test_kills_fell_before_the_banks_word_between_it_and_the_booking_and_after():
    assert min(STAGES["not opened"] + STAGES["opened"], STAGES["accepted"], STAGES["booked"]) > len(PAYING), STAGES


def test_what_the_bank_accepted_while_the_portal_died_is_booked_by_asking(house):
    """F2: the process dies between the bank's word and its own commit, and stays dead."""
    name = house.next_invoice()
    with card_page_of(house, name) as (reference, pay_by_card):
        with killed_at(house.portal, Point("pwrite64", 1)):
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
    points = house.measure("sevres-ask", "--once")
    house.settle(reference)
    for _, chance in draws(slice_):
        reference = house.family.pay(house.next_invoice(), LOST)

        killed += house.run_killed("sevres-ask", "--once", point=chance.choice(points))

        house.settle(reference)
        with house.town.store() as (portal, _):
            assert len(portal["paiements"][reference].receipts) == 1
    print(f"{killed} kills of the asking worker within {len(points)} calls")
    assert killed > len(slice_) // 3


@pytest.mark.parametrize("slice_", MAILING, ids=str)
def test_killed_at_any_call_the_mail_worker_sends_each_mail_under_one_message_id(house, slice_):
    house.deliver_later()
    house.settle(house.family.pay(house.next_invoice(), ACCEPTED))
    points = house.measure("sevres-mail", "--once")
    killed = 0
    for _, chance in draws(slice_):
        reference = house.family.pay(house.next_invoice(), ACCEPTED)
        house.settle(reference)

        killed += house.run_killed("sevres-mail", "--once", point=chance.choice(points))
        house.deliver_later()

        mails = house.mails_about(reference)
        assert len(mails) >= 1
        assert len({mail["Message-ID"] for mail in mails}) == 1
    print(f"{killed} kills of the mail worker within {len(points)} calls")
    assert killed > len(slice_) // 3


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

    house.run("sevres-import", *files("99,00"))
    points = house.measure("sevres-import", *files("98,00"))
    before, killed = owed(), 0
    for seed, chance in draws(slice_):
        after = Money(100 + seed)

        killed += house.run_killed(
            "sevres-import", *files(str(after).removesuffix("\u00a0€")), point=chance.choice(points)
        )

        assert owed() in (before, {after})
        house.run("sevres-import", *files(str(after).removesuffix("\u00a0€")))
        assert owed() == {after}
        assert house.town.faults() == ()
        before = {after}
    print(f"{killed} kills of the import within {len(points)} calls")
    assert killed > len(slice_) // 3


@pytest.fixture
def letters(house):
    """Families that have a letter in force, and the commands that print another and hand it out."""
    house.take_in(*PRINTED_FOR, lot=LOT)
    with house.town.store() as (portal, registry):
        for code in PRINTED_FOR:
            give_printed_password(portal, registry, code)
    return Letters(house)


class Letters(NamedTuple):
    """The letters of families without a password of their own."""

    house: House

    def in_force(self):
        """Give the password, as it is kept, that opens each family's account."""
        with self.house.town.store() as (portal, _):
            return {code: credentials_of(portal, code).printed.hashed for code in PRINTED_FOR}

    def waiting(self):
        """Give the runs that wait to be confirmed: by name, the password that each has for each family."""
        with self.house.town.store() as (portal, _):
            runs = portal.stores["printing"].pending()
            return {name: {code: hashed for code, (_, hashed) in run.letters.items()} for name, run in runs}

    def folders(self):
        """Name the folders whose letters may be sent."""
        return {each.parent.name for each in (self.house.town.folder / "var" / "impressions").glob("*/manifeste.json")}

    def printed(self):
        """Print letters, and give the run's name, and the passwords that stand on them."""
        before = self.waiting().keys()
        self.house.run(*PRINT)
        ((name, passwords),) = [(name, each) for name, each in self.waiting().items() if name not in before]
        return name, passwords


PRINT = ("sevres-print", "--regie", "scolaire", "--lot", LOT, "--again")


@pytest.mark.parametrize("slice_", PRINTING, ids=str)
def test_killed_at_any_call_a_print_run_kills_no_earlier_letter_and_is_whole_or_nothing(house, letters, slice_):
    house.run(*PRINT)
    points = house.measure(*PRINT)
    before, killed = letters.in_force(), 0
    for _, chance in draws(slice_):
        killed += house.run_killed(*PRINT, point=chance.choice(points))

        assert letters.in_force() == before
        assert all(set(passwords) == set(PRINTED_FOR) for passwords in letters.waiting().values())
        house.run("sevres-print", "--clean")
        assert letters.folders() == letters.waiting().keys()
    assert house.town.faults() == ()
    print(f"{killed} kills of the print run within {len(points)} calls")
    assert killed > len(slice_) // 3


@pytest.mark.parametrize("slice_", CONFIRMING, ids=str)
def test_killed_at_any_call_of_a_confirmation_each_family_has_one_good_letter_and_the_next_one_ends_it(
    house, letters, slice_
):
    house.run("sevres-print", "--confirm", letters.printed()[0])
    points = house.measure("sevres-print", "--confirm", letters.printed()[0])
    killed = Counter()
    for _, chance in draws(slice_):
        before, (name, printed) = letters.in_force(), letters.printed()

        was_killed = house.run_killed("sevres-print", "--confirm", name, point=chance.choice(points))

        left = letters.waiting().get(name, {})
        assert letters.in_force() == {code: before[code] if code in left else printed[code] for code in PRINTED_FOR}
        killed["before" if left else "after"] += was_killed
        house.run("sevres-print", "--confirm", name)
        assert letters.in_force() == printed
        assert name not in letters.waiting()
        assert name not in letters.folders()
    assert house.town.faults() == ()
    print(f"{dict(killed)} the letters were handed out, a confirmation was killed within {len(points)} calls")
    assert sum(killed.values()) > len(slice_) // 3
