"""Who failed waits; no stranger can lock a family out (requirements I4, S21)."""

import pickle
from datetime import timedelta

import pytest

from sevres_familles.identity import throttle
from sevres_familles.identity.throttle import EVERYWHERE, Attempts, Gate, Limit, Throttle, key_for, network_of
from tests.conftest import NOW, StoppedClock

HERE, THERE = "192.0.2.1", "198.51.100.7"
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


STRANGERS = [f"203.{number // 250}.{number % 250}.7" for number in range(10_000)]


class Door:
    """A throttle, and whoever knocks."""

    def __init__(self, clock: StoppedClock) -> None:
        self.clock = clock
        self.throttle = Throttle()

    def attempt(self, address: str = HERE, account: str = "26719", device: str | None = None) -> Attempts:
        now = self.clock.now()
        return Attempts(self.throttle, b"key", address=address, account=account, now=now, device=device)

    def fail(self, times: int = 1, **who: str) -> timedelta:
        """Fail so many times, waiting each time as long as asked, and give the wait that follows."""
        for _ in range(times):
            self.clock.moment += self.attempt(**who).wait()
            self.attempt(**who).fail()
        return self.attempt(**who).wait()

    def hammer(self, times: int, **who: str) -> int:
        """Try at once, again and again, and count how many tries were taken."""
        taken = 0
        for _ in range(times):
            if not self.attempt(**who).wait():
                self.attempt(**who).fail()
                taken += 1
        return taken


@pytest.fixture
def door(clock):
    return Door(clock)


def test_four_mistakes_cost_nothing(door):
    assert door.fail(4) == timedelta()


def test_the_fifth_costs_a_minute_and_each_one_after_twice_as_much_up_to_an_hour(door):
    waits = [door.fail(5)] + [door.fail() for _ in range(8)]

    assert waits[:3] == [MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert waits == sorted(waits)
    assert waits[-1] == HOUR


def test_an_address_tries_a_password_some_25_times_a_day(door, clock):
    taken = 0
    for _ in range(24 * 60):
        taken += door.hammer(2)
        clock.advance(minutes=1)

    assert taken <= 35


def test_a_wait_gets_shorter_as_time_passes_and_ends(door, clock):
    door.fail(5)

    clock.advance(seconds=20)
    assert door.attempt().wait() == 40 * SECOND
    clock.advance(seconds=40)
    assert door.attempt().wait() == timedelta()


def test_ten_thousand_wrong_tries_from_one_address_make_the_owner_wait_at_most_thirty_seconds(door, clock):
    door.hammer(10_000, address=THERE)

    wait = door.attempt(HERE).wait()

    assert wait <= 30 * SECOND
    clock.moment += wait
    assert door.attempt(HERE).wait() == timedelta()


def test_a_thousand_strangers_who_never_stop_make_the_owner_wait_at_most_thirty_seconds(door, clock):
    strangers = [f"203.0.{number // 250}.{number % 250}" for number in range(1_000)]
    for stranger in strangers:
        door.hammer(3, address=stranger)

    first = door.attempt(HERE).wait()
    for _ in range(int(first.total_seconds())):
        clock.advance(seconds=1)
        for stranger in strangers[::50]:
            door.hammer(1, address=stranger)

    assert timedelta() < first <= 30 * SECOND
    assert door.attempt(HERE).wait() == timedelta()


def test_ten_thousand_wrong_tries_from_as_many_addresses_make_the_owner_wait_at_most_thirty_seconds(door, clock):
    for stranger in STRANGERS:
        door.hammer(1, address=stranger)

    wait = door.attempt(HERE).wait()

    assert timedelta() < wait <= 30 * SECOND
    clock.moment += wait
    assert door.attempt(HERE).wait() == timedelta()


class TestKnownDevice:
    def test_does_not_wait_for_what_strangers_do_to_the_account(self, door):
        for stranger in STRANGERS[:100]:
            door.hammer(3, address=stranger)

        assert door.attempt(device="phone").wait() == timedelta()
        assert door.attempt().wait() > timedelta()

    def test_does_not_wait_for_what_a_stranger_does_from_its_own_address(self, door):
        door.hammer(100, address=HERE)
        for account in range(100):
            door.hammer(1, address=HERE, account=str(account))

        assert door.attempt(device="phone").wait() == timedelta()

    def test_guesses_no_more_than_an_address_does(self, door, clock):
        taken = 0
        for _ in range(24 * 60):
            taken += door.hammer(2, device="phone")
            clock.advance(minutes=1)

        assert taken <= 35

    def test_makes_nobody_else_wait(self, door):
        door.hammer(100, device="phone")

        assert door.attempt(THERE).wait() == timedelta()
        assert door.attempt(HERE).wait() == timedelta()

    def test_of_one_family_is_nothing_to_another(self, door):
        door.fail(6, device="phone")

        assert door.attempt(account="31415", device="phone").wait() == timedelta()


class TestEverywhere:
    def spray(self, door, clock, minutes: int = 1) -> int:
        """Try one password on account after account from 400 addresses, all at once; count what is taken."""
        taken = 0
        for minute in range(minutes):
            clock.advance(minutes=minute and 1)
            for number, stranger in enumerate(STRANGERS[:400]):
                taken += door.hammer(1, address=stranger, account=f"{minute}-{number}")
        return taken

    def test_a_spray_from_many_addresses_is_slowed_three_times(self, door, clock, monkeypatch):
        slowed = self.spray(door, clock, minutes=15)

        monkeypatch.setattr(throttle, "EVERYWHERE", EVERYWHERE._replace(free=10**9))
        door.throttle = Throttle()
        free = self.spray(door, clock, minutes=15)

        assert free == 400 * 15
        assert slowed < free / 3

    def test_during_a_spray_a_family_that_is_new_waits_half_a_minute_and_then_gets_in(self, door, clock):
        self.spray(door, clock)

        wait = door.attempt(HERE).wait()

        assert timedelta() < wait <= 30 * SECOND
        clock.moment += wait
        assert door.attempt(HERE).wait() == timedelta()

    def test_during_a_spray_a_known_device_does_not_wait(self, door, clock):
        self.spray(door, clock)

        assert door.attempt(HERE).wait() > timedelta()
        assert door.attempt(HERE, device="phone").wait() == timedelta()

    def test_the_mistakes_of_invoice_day_make_no_newcomer_wait(self, door, clock):
        for second in range(600):
            for each in range(2):
                door.attempt(f"198.51.{second % 250}.{each}", account=f"{second}-{each}").fail()
            clock.advance(seconds=1)

        assert door.attempt(THERE, account="31415").wait() == timedelta()

    def test_is_over_minutes_after_the_spray(self, door, clock):
        self.spray(door, clock)

        clock.advance(minutes=10)

        assert door.attempt(HERE).wait() == timedelta()


class TestClockSetBack:
    """Elapsed time is never less than none, whatever the clock was set to."""

    def test_five_mistakes_do_not_become_many(self, door, clock):
        door.fail(5)

        clock.advance(hours=-1)

        assert door.attempt(THERE).wait() == timedelta()

    def test_mistakes_everywhere_do_not_make_every_newcomer_wait(self, door, clock):
        for stranger in STRANGERS[:30]:
            door.attempt(stranger, account=stranger).fail()

        clock.advance(hours=-1)

        assert door.attempt(THERE, account="31415").wait() == timedelta()

    def test_nobody_waits_for_the_hour_that_comes_again(self, door, clock):
        assert door.fail(5) == MINUTE

        clock.advance(hours=-1)

        assert door.attempt().wait() == timedelta()
        assert door.fail() == 2 * MINUTE


class TestPlaces:
    """What waits is written down, so that one address is given a bounded number of places."""

    @pytest.fixture
    def pressed(self, door):
        """Everywhere failed so much that every newcomer waits."""
        for stranger in STRANGERS[:1_000]:
            door.attempt(stranger, account=stranger).fail()
        return door

    @staticmethod
    def written(door):
        return len(door.throttle._new) + len(door.throttle._old)

    def test_an_address_that_tries_code_after_code_is_written_down_a_bounded_number_of_times(self, pressed):
        before = self.written(pressed)

        waits = [pressed.attempt(account=str(code)).wait() for code in range(10_000)]

        assert self.written(pressed) - before <= 60
        assert all(waits)

    def test_an_ipv6_site_too_whose_networks_are_many(self, pressed):
        before = self.written(pressed)

        for number in range(10_000):
            pressed.attempt(f"2001:db8:1:{number:x}::1", account=str(number)).wait()

        assert self.written(pressed) - before <= 1_000

    def test_it_makes_no_other_address_wait_longer_and_no_wait_is_forgotten(self, pressed, clock):
        guesser = pressed.fail(5, address=STRANGERS[-1], account="31415")
        for code in range(10_000):
            pressed.attempt(account=str(code)).wait()

        assert pressed.attempt(STRANGERS[-1], account="31415").wait() == guesser
        wait = pressed.attempt(THERE).wait()
        assert timedelta() < wait <= 30 * SECOND
        clock.moment += wait
        assert pressed.attempt(THERE).wait() == timedelta()

    def test_forty_families_behind_one_address_all_get_in_after_their_half_minute(self, pressed, clock):
        codes = [str(code) for code in range(40)]
        longest = max(pressed.attempt(account=code).wait() for code in codes)

        clock.moment += longest

        assert longest <= 30 * SECOND
        assert [pressed.attempt(account=code).wait() for code in codes] == [timedelta()] * 40

    def test_a_family_behind_the_address_of_a_stranger_waits_ten_minutes_at_most(self, pressed, clock):
        waits = []
        for minute in range(2 * 60):
            for stranger in STRANGERS[:150]:
                pressed.attempt(stranger, account=f"{minute}-{stranger}").fail()
            for account in range(20):
                pressed.hammer(1, account=str(account))
            waits.append(pressed.attempt(account="31415").wait())
            clock.advance(minutes=1)

        assert 5 * MINUTE < max(waits) <= 10 * MINUTE


def test_a_place_in_the_queue_is_not_lost_by_knocking_again(door, clock):
    for number in range(20):
        door.hammer(3, address=f"203.0.113.{number}")
    first = door.attempt(HERE).wait()

    clock.advance(seconds=10)

    assert door.attempt(HERE).wait() == first - 10 * SECOND


def test_one_try_on_each_of_ten_thousand_accounts_from_one_address_is_stopped(door):
    taken = sum(door.hammer(1, account=str(number)) for number in range(10_000))

    assert taken == 20


def test_an_address_that_waits_as_told_needs_a_month_for_ten_thousand_accounts(door, clock):
    begun = clock.now()
    for number in range(500):
        door.fail(account=str(number))

    assert door.attempt(account="again").wait() <= 10 * MINUTE
    assert (clock.now() - begun) * (10_000 / 500) > timedelta(days=30)


def test_one_try_from_each_network_of_an_ipv6_site_is_stopped_too(door):
    site = [f"2001:db8:1:{number:x}::1" for number in range(2_000)]

    taken = sum(door.hammer(1, address=address, account=address) for address in site)

    assert taken == 100
    assert door.hammer(1, address="2001:db8:2::1", account="31415") == 1


def test_a_success_forgets_the_mistakes_before_it(door, clock):
    door.fail(5)
    clock.advance(minutes=1)

    door.attempt().succeed()

    assert door.fail(4) == timedelta()


def test_known_and_unknown_accounts_are_counted_alike(door):
    assert door.fail(6, account="26719") == door.fail(6, account="no such code", address=THERE)


def test_a_gate_lets_so_many_through_then_fewer_and_fewer(clock):
    limit = Limit(2, MINUTE, HOUR, HOUR)
    throttle = Throttle()
    waits = []
    for _ in range(3):
        gate = Gate(throttle, b"k", limit, clock.now())
        clock.moment += gate.wait()
        Gate(throttle, b"k", limit, clock.now()).count()
        waits.append(Gate(throttle, b"k", limit, clock.now()).wait())

    assert waits == [timedelta(), MINUTE, 2 * MINUTE]


def test_tallies_take_a_bounded_room_and_recent_ones_are_kept(monkeypatch):
    monkeypatch.setattr(Throttle, "MOST", 100)
    throttle, limit = Throttle(), Limit(1, MINUTE, HOUR, HOUR)

    for number in range(1_000):
        throttle.fail(key_for(b"key", str(number)), limit, NOW)

    assert len(throttle._new) + len(throttle._old) <= 200
    assert throttle.wait(key_for(b"key", "999"), NOW) == MINUTE
    assert throttle.find(key_for(b"key", "0")) is None


def test_tallies_older_than_two_days_are_gone():
    throttle, limit = Throttle(), Limit(1, MINUTE, HOUR, HOUR)
    throttle.fail(b"old", limit, NOW)

    for day in (1, 2, 3):
        throttle.fail(b"new", limit, NOW + timedelta(days=day))

    assert throttle.find(b"old") is None


def test_tallies_name_no_address_and_no_account(door):
    door.fail(3)

    kept = pickle.dumps([(list(tree.items())) for tree in (door.throttle._new, door.throttle._old)])

    assert b"26719" not in kept
    assert HERE.encode() not in kept


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("", ""),
    ],
)
def test_a_subscriber_is_an_ipv4_address_or_the_first_half_of_an_ipv6_one(address, network):
    assert network_of(address) == network
