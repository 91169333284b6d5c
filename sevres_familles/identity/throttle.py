"""The throttle: who failed waits longer and longer, and no stranger can lock a family out (requirements I4, S21).

Three tallies of failures decide how long an attempt must wait:

- *this address on this account* grows to an hour: it stops whoever guesses one family's password;
- *this address* on any account grows to a minute: it stops whoever tries one password on every account;
- *this account* from everywhere grows to half a minute, and is only the wait of an address that is new to the account.
  A newcomer takes a place in the queue and keeps it, so that the family gets in after that half-minute at most, however
  many strangers try meanwhile.

Tallies cool down with time.  They are kept under keyed hashes, in the database that all workers share, in two
generations of which the older is dropped, so that they take a bounded room and no address stays longer than two days.
"""

import hashlib
import hmac
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
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
FROM_ADDRESS = Limit(20, timedelta(seconds=1), timedelta(minutes=1), timedelta(minutes=1))
#: An account from all addresses.
ACCOUNT = Limit(10, timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=1))
#: Requests for forgotten identifiers from an address, and mails to one.
ASKING = Limit(5, timedelta(seconds=30), timedelta(minutes=10), timedelta(minutes=5))
MAILING = Limit(3, timedelta(minutes=20), timedelta(minutes=20), timedelta(minutes=20))


class Tally(NamedTuple):
    """Failures counted at a moment, and until when nothing more is taken."""

    level: float
    at: datetime
    until: datetime

    def cooled(self, limit: Limit, now: datetime) -> float:
        """Compute what is left of the failures."""
        return max(0.0, self.level - (now - self.at) / limit.cooling)


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
        return max(_NOTHING, tally.until - now) if tally else _NOTHING

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
    """The throttle as one attempt meets it: an address that tries an account."""

    def __init__(self, throttle: Throttle, secret: bytes, *, address: str, account: str, now: datetime) -> None:
        where = network_of(address)
        self._throttle = throttle
        self._now = now
        self._account = key_for(secret, "account", account)
        self._address = key_for(secret, "address", where)
        self._both = key_for(secret, "both", where, account)

    def wait(self) -> timedelta:
        """Tell how long this attempt must wait; a newcomer that must is put in the queue."""
        throttle, now = self._throttle, self._now
        wait = max(throttle.wait(self._address, now), throttle.wait(self._both, now))
        if throttle.find(self._both) is None and not wait:
            wait = throttle.pressure(self._account, ACCOUNT, now)
            if wait:
                throttle.queue(self._both, now + wait, now)
        return wait

    def fail(self) -> None:
        """Count a failed attempt."""
        self._throttle.fail(self._both, ON_ACCOUNT, self._now)
        self._throttle.fail(self._address, FROM_ADDRESS, self._now)
        self._throttle.fail(self._account, ACCOUNT, self._now)

    def succeed(self) -> None:
        """Forget what this address failed on this account, and the account's own tally."""
        self._throttle.forget(self._both, self._now)
        self._throttle.forget(self._account, self._now)


def key_for(secret: bytes, *parts: str) -> bytes:
    """Make the key of a tally: a keyed hash, so that the database names no address and no account."""
    return hmac.digest(secret, "\0".join(("throttle", *parts)).encode(), hashlib.sha256)[:16]


def network_of(address: str) -> str:
    """Give what stands for one subscriber: an IPv4 address, the /64 of an IPv6 one."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)
