"""The throttle: who failed waits longer and longer, and no stranger can lock a family out (requirements I4, S21).

Tallies of failures decide how long an attempt must wait:

- *this address on this account* grows to an hour: it stops whoever guesses one family's password;
- *this address* on any account grows to ten minutes: it stops whoever tries one password on every account; an IPv6
  address counts with its /48 too, where one subscriber may have 65,536 of ours;
- *this account* from everywhere grows to half a minute, and is only the wait of an address that is new to the account.
  A newcomer takes a place in the queue and keeps it, so that the family gets in after that half-minute at most, however
  many strangers try meanwhile.  An address has only so many places, since each of them is written down;
- *everywhere*, all failures of the portal: when they are many more than a town's mistakes, every newcomer waits that
  half-minute, and an address has three tries in place of twenty.  It slows whoever spreads over many addresses.

A device that the family signed in from before (`devices`) has a tally of its own, and meets none of the others: nothing
that strangers do makes it wait.

Tallies cool down with time.  They are kept under keyed hashes, in the database that all workers share, in two
generations of which the older is dropped, so that they take a bounded room and no address stays longer than two days.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from math import ceil
from typing import NamedTuple

from BTrees.Length import Length
from BTrees.OOBTree import OOBTree
from persistent import Persistent

_NOTHING = timedelta()


class Limit(NamedTuple):
    """How a tally makes people wait: nothing below ``free`` failures, then ``first``, doubling up to ``longest``.

    One failure is forgiven each ``cooling``.
    """

    free: int
    first: timedelta
    longest: timedelta
    cooling: timedelta

    def delay(self, level: float) -> timedelta:
        """Compute the wait that follows so many failures."""
        doublings = ceil(level) - self.free
        if doublings < 0:
            return _NOTHING
        # Beyond the 20th doubling every limit is at its longest.
        return min(self.longest, self.first * (1 << min(doublings, 20)))


#: An address on an account: the CNIL's measure (a minute after five failures, some 25 tries a day).
ON_ACCOUNT = Limit(5, timedelta(minutes=1), timedelta(hours=1), timedelta(hours=1))
#: An address on all accounts: a household, a school or a telephone network may stand behind one.
FROM_ADDRESS = Limit(20, timedelta(seconds=1), timedelta(minutes=10), timedelta(minutes=5))
#: The /48 of an IPv6 address on all accounts.
FROM_SITE = Limit(100, timedelta(seconds=1), timedelta(minutes=10), timedelta(minutes=1))
#: An account from all addresses.
ACCOUNT = Limit(10, timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=1))
#: All accounts from all addresses: 10,000 families who sign in within ten minutes make some hundred mistakes a minute.
EVERYWHERE = Limit(300, timedelta(seconds=5), timedelta(seconds=30), timedelta(seconds=0.5))
#: An address on all accounts, while failures everywhere are beyond that.
UNDER_ATTACK = Limit(3, timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=20))
#: Places in the queue that an address takes, on all accounts; the /48 of an IPv6 one takes five times as many.
QUEUEING = Limit(50, timedelta(seconds=1), timedelta(minutes=10), timedelta(minutes=1))
QUEUEING_FROM_SITE = QUEUEING._replace(free=250, cooling=timedelta(seconds=12))
#: The tally of everywhere stands in as many parts, so that failures at once seldom write the same one.
_PARTS = 16
_PART_OF_EVERYWHERE = EVERYWHERE._replace(cooling=EVERYWHERE.cooling * _PARTS)
#: Requests for forgotten identifiers from an address, and mails to one.
ASKING = Limit(5, timedelta(seconds=30), timedelta(minutes=10), timedelta(minutes=5))
MAILING = Limit(3, timedelta(minutes=20), timedelta(minutes=20), timedelta(minutes=20))


class Tally(NamedTuple):
    """Failures counted at a moment, and until when nothing more is taken.

    A clock that was set back makes nobody guilty of more, nor wait for the moment that it had told before.
    """

    level: float
    at: datetime
    until: datetime

    def cooled(self, limit: Limit, now: datetime) -> float:
        """Compute what is left of the failures."""
        return max(0.0, self.level - max(_NOTHING, now - self.at) / limit.cooling)

    def wait(self, now: datetime) -> timedelta:
        """Tell how long nothing more is taken."""
        return max(_NOTHING, self.until - now) if self.at <= now else _NOTHING


class Throttle(Persistent):
    """Tallies by key, in two generations."""

    #: A generation is closed when it holds so many tallies, or is a day old.
    MOST = 50_000
    LIFE = timedelta(days=1)

    def __init__(self) -> None:
        self._old: OOBTree = OOBTree()
        self._begin(None)

    def _begin(self, at: datetime | None) -> None:
        self._new: OOBTree = OOBTree()
        self._count = Length()
        self._began_at = at

    def find(self, key: bytes) -> Tally | None:
        """Find a tally."""
        found: Tally | None = self._new.get(key) or self._old.get(key)
        return found

    def wait(self, key: bytes, now: datetime) -> timedelta:
        """Tell how long a key must still wait."""
        tally = self.find(key)
        return tally.wait(now) if tally else _NOTHING

    def pressure(self, key: bytes, limit: Limit, now: datetime) -> timedelta:
        """Tell how long a newcomer must wait, given the failures of a key."""
        tally = self.find(key)
        return limit.delay(tally.cooled(limit, now)) if tally else _NOTHING

    def fail(self, key: bytes, limit: Limit, now: datetime) -> None:
        """Count a failure."""
        tally = self.find(key)
        level = (tally.cooled(limit, now) if tally else 0.0) + 1
        self._keep(key, Tally(level, now, now + limit.delay(level)), now)

    def queue(self, key: bytes, until: datetime, now: datetime) -> None:
        """Give a newcomer a place in the queue."""
        self._keep(key, Tally(0.0, now, until), now)

    def forget(self, key: bytes, now: datetime) -> None:
        """Forget the failures of a key."""
        if self.find(key) is not None:
            self._keep(key, Tally(0.0, now, now), now)

    def _keep(self, key: bytes, tally: Tally, now: datetime) -> None:
        if self._began_at is None:
            self._began_at = now
        if self._count() >= self.MOST or now - self._began_at >= self.LIFE:
            self._old = self._new
            self._begin(now)
        if key not in self._new:
            self._count.change(1)
        self._new[key] = tally


class Gate:
    """The throttle for acts of one kind: something that may be done so many times, then less and less often."""

    def __init__(self, throttle: Throttle, key: bytes, limit: Limit, now: datetime) -> None:
        self._throttle, self._key, self._limit, self._now = throttle, key, limit, now

    def wait(self) -> timedelta:
        """Tell how long the next act must wait."""
        return self._throttle.wait(self._key, self._now)

    def count(self) -> None:
        """Count an act."""
        self._throttle.fail(self._key, self._limit, self._now)


class Attempts:
    """The throttle as one attempt meets it: an address, or a device that is known, that tries an account."""

    def __init__(
        self,
        throttle: Throttle,
        secret: bytes,
        *,
        address: str,
        account: str,
        now: datetime,
        device: str | None = None,
    ) -> None:
        where, site = network_of(address), site_of(address)
        sites = (site,) if site else ()
        self._throttle = throttle
        self._now = now
        self._is_known = device is not None
        self._account = key_for(secret, "account", account)
        self._address = key_for(secret, "address", where)
        self._sites = [key_for(secret, "site", each) for each in sites]
        self._places = {
            key_for(secret, "places", where): QUEUEING,
            **{key_for(secret, "places of site", each): QUEUEING_FROM_SITE for each in sites},
        }
        #: Who tries this account: the device if it is known, else the address.
        self._both = key_for(secret, "device", device, account) if device else key_for(secret, "both", where, account)
        self._everywhere = _keys_of_everywhere(secret)

    def wait(self) -> timedelta:
        """Tell how long this attempt must wait; a newcomer that must is put in the queue."""
        throttle, now = self._throttle, self._now
        wait = throttle.wait(self._both, now)
        if self._is_known:
            return wait
        wait = max(wait, *(throttle.wait(key, now) for key in (self._address, *self._sites)))
        if throttle.find(self._both) is None and not wait:
            wait = max(throttle.pressure(self._account, ACCOUNT, now), EVERYWHERE.delay(self._level_everywhere()))
            if wait:
                return self._queue(wait)
        return wait

    def _queue(self, wait: timedelta) -> timedelta:
        """Take a place in the queue and tell how long it waits, or how long until this address is given another."""
        throttle, now = self._throttle, self._now
        none_before = max(throttle.wait(key, now) for key in self._places)
        if none_before:
            return none_before
        for key, limit in self._places.items():
            throttle.fail(key, limit, now)
        throttle.queue(self._both, now + wait, now)
        return wait

    def fail(self) -> None:
        """Count a failed attempt."""
        throttle, now = self._throttle, self._now
        throttle.fail(self._both, ON_ACCOUNT, now)
        if self._is_known:
            return
        is_attacked = EVERYWHERE.delay(self._level_everywhere()) > _NOTHING
        throttle.fail(self._address, UNDER_ATTACK if is_attacked else FROM_ADDRESS, now)
        for site in self._sites:
            throttle.fail(site, FROM_SITE, now)
        throttle.fail(self._account, ACCOUNT, now)
        throttle.fail(secrets.choice(self._everywhere), _PART_OF_EVERYWHERE, now)

    def succeed(self) -> None:
        """Forget what this address or device failed on this account, and the account's own tally."""
        self._throttle.forget(self._both, self._now)
        self._throttle.forget(self._account, self._now)

    def _level_everywhere(self) -> float:
        """Sum what is left of the failures everywhere."""
        tallies = filter(None, map(self._throttle.find, self._everywhere))
        return sum(tally.cooled(_PART_OF_EVERYWHERE, self._now) for tally in tallies)


def key_for(secret: bytes, *parts: str) -> bytes:
    """Make the key of a tally: a keyed hash, so that the database names no address and no account."""
    return hmac.digest(secret, "\0".join(("throttle", *parts)).encode(), hashlib.sha256)[:16]


@cache
def _keys_of_everywhere(secret: bytes) -> tuple[bytes, ...]:
    return tuple(key_for(secret, "everywhere", str(part)) for part in range(_PARTS))


def network_of(address: str) -> str:
    """Give what stands for one subscriber: an IPv4 address, the /64 of an IPv6 one."""
    parsed = _parsed(address)
    return str(_begin(parsed, 64)) if isinstance(parsed, IPv6Address) else str(parsed or address)


def site_of(address: str) -> str | None:
    """Give the /48 of an IPv6 address, which one subscriber may have whole; nothing for another."""
    parsed = _parsed(address)
    return str(_begin(parsed, 48)) if isinstance(parsed, IPv6Address) else None


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed


def _begin(address: IPv6Address, bits: int) -> IPv6Address:
    return IPv6Address(int(address) >> (128 - bits) << (128 - bits))
