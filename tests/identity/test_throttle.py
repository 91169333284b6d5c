"""Who failed waits; no stranger can lock a family out (requirements I4, S21)."""

import pickle
from datetime import timedelta

import pytest

from sevres_familles.identity.throttle import Attempts, Gate, Limit, Throttle, key_for, network_of
from tests.conftest import NOW, StoppedClock

HERE, THERE = "192.0.2.1", "198.51.100.7"
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


class Door:
    """A throttle, and whoever knocks."""

    def __init__(self, clock: StoppedClock) -> None:
        self.clock = clock
        self.throttle = Throttle()

    def attempt(self, address: str = HERE, account: str = "26719") -> Attempts:
        return Attempts(self.throttle, b"key", address=address, account=account, now=self.clock.now())

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


def test_a_place_in_the_queue_is_not_lost_by_knocking_again(door, clock):
    for number in range(20):
        door.hammer(3, address=f"203.0.113.{number}")
    first = door.attempt(HERE).wait()

    clock.advance(seconds=10)

    assert door.attempt(HERE).wait() == first - 10 * SECOND


def test_one_try_on_each_of_ten_thousand_accounts_from_one_address_is_stopped(door):
    taken = sum(door.hammer(1, account=str(number)) for number in range(10_000))

    assert taken == 20


def test_an_address_that_tried_every_account_waits_at_most_a_minute(door):
    for number in range(200):
        door.fail(account=str(number))

    assert door.attempt(account="again").wait() <= MINUTE


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
