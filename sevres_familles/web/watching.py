"""How the portal is, for machines that watch it: ``/healthz``, ``/readyz``, ``/metrics`` (requirements R11).

``/healthz`` says that this process answers, and asks nothing else.  ``/readyz`` says whether the service as a whole can
be relied on, in a word for each thing.  ``/metrics`` gives the figures to Prometheus: those of the portal are read from
the database, the same whichever worker is asked; those of requests are the worker's own, and each is asked for them.
The last two are for the machines of ``watch_sources`` alone: for the others they do not exist.

Areas add what they know with ``config.add_measures(function)``: it takes the portal, the registry and the moment, and
gives `Measure`s.  Workers say that they live with `beat`, and so prove that the database takes what is written.
"""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from math import inf, isfinite, isnan
from typing import Any, NamedTuple

import transaction
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from pyramid.authorization import Allow, Everyone
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from transaction.interfaces import TransientError

from sevres_familles.web import evolve
from sevres_familles.web.root import DatabaseNotReady, Portal, portal_in
from sevres_familles.web.security import DENY_ALL, Permission

log = logging.getLogger(__name__)

PAGES = ("healthz", "readyz", "metrics")
#: How long an answer serves again, in seconds, so that watching costs nothing.
_KEPT_FOR = 5.0
#: A worker that did not say for so long that it lives is dead, or cannot write.
LONGEST_SILENCE = timedelta(minutes=5)
#: How often a worker says so.
_BEAT_EVERY = timedelta(seconds=30)
#: The share of the disk, in percent, and the seconds by which the clock may be wrong (R11).
_LEAST_FREE, _MOST_SKEW = 10.0, 2.0


class Measure(NamedTuple):
    """A figure: the name of its check and of its metric, what it says, and the most that it may be.

    One that nobody knows is no number (``nan``), and fails nothing.
    """

    name: str
    help: str
    value: float
    most: float = inf

    @property
    def is_good(self) -> bool:
        """Whether the portal can be relied on, as far as this goes."""
        return not self.value > self.most

    @property
    def verdict(self) -> str:
        """What ``/readyz`` says of it."""
        if isnan(self.value):
            return "unknown"
        return "ok" if self.is_good else "failing"


Measuring = Callable[[Portal, Any, datetime], Iterable[Measure]]


class Watched:
    """The context of the pages that machines watch: no part of the tree, so that they answer without the database."""

    __acl__ = ((Allow, Everyone, Permission.SERVICE_WATCH), DENY_ALL)

    def __init__(self, request: Request) -> None:
        """Take the place of the root."""


def may_watch(request: Request) -> bool:
    """Tell whether a request is that of a machine that watches: under whatever name it calls us."""
    if request.path not in request.registry.watch_paths:
        return False
    try:
        address = ip_address(request.remote_addr or "")
    except ValueError:
        return False
    return any(address in network for network in request.portal_settings.watch_sources)


def show_process(context: Watched, request: Request) -> Response:
    """Say that this process answers."""
    return Response(json_body={"status": "ok"})


def show_readiness(context: Watched, request: Request) -> Response:
    """Say whether the service can be relied on: 503 when it cannot."""
    _only_for_watchers(request)
    measures = request.registry.watch.measures()
    checks = {each.name: each.verdict for each in measures if isfinite(each.most)}
    is_ready = all(each.is_good for each in measures)
    return Response(json_body={"ready": is_ready, "checks": checks}, status=200 if is_ready else 503)


def show_metrics(context: Watched, request: Request) -> Response:
    """Give the figures, in Prometheus' words."""
    _only_for_watchers(request)
    return Response(generate_latest(request.registry.watch.metrics), content_type="text/plain", charset="utf-8")


def _only_for_watchers(request: Request) -> None:
    """Hide a page from strangers.

    :raises HTTPNotFound: to them.
    """
    if not may_watch(request):
        raise HTTPNotFound


class Watch:
    """What is known of one process, and by it of the portal."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._measures: tuple[Measure, ...] = ()
        self._measured_at = -inf
        self.metrics = CollectorRegistry()
        self.metrics.register(self)
        self._requests = Counter(
            "sevres_requests", "Requests answered by this worker.", ("method", "status"), registry=self.metrics
        )
        self._seconds = Histogram(
            "sevres_request_seconds", "How long answers of this worker took, in seconds.", registry=self.metrics
        )

    def note(self, method: str, met: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, str(status)).inc()
        self._seconds.observe(seconds)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the portal's figures to Prometheus (a collector's method)."""
        for each in self.measures():
            yield GaugeMetricFamily(f"sevres_{each.name}", each.help, value=each.value)

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Name no figure before it is asked for (a collector's method)."""
        yield from ()

    def measures(self) -> tuple[Measure, ...]:
        """Give every measure; those of a moment ago if they were just taken."""
        with self._lock:
            if time.monotonic() - self._measured_at > _KEPT_FOR:
                self._measures = tuple(self._measure())
                self._measured_at = time.monotonic()
            return self._measures

    def _measure(self) -> list[Measure]:
        found = [_disk(self._registry)]
        manager = transaction.TransactionManager(explicit=True)
        try:
            with (
                closing(self._registry._zodb_databases[""].open(transaction_manager=manager)) as connection,
                manager,
            ):
                portal = portal_in(connection.root(), self._registry)
                now = self._registry.clock.now()
                for function in self._registry.measurings:
                    found += function(portal, self._registry, now)
        except DatabaseNotReady:
            return [*found, _storage(is_good=False)]
        except Exception:
            # Whatever keeps the database from being read is what the watcher is to know.
            log.exception("The database cannot be read")
            return [*found, _storage(is_good=False)]
        return [*found, _storage(is_good=True)]


def _storage(*, is_good: bool) -> Measure:
    return Measure("storage_failing", "1 when the database cannot be read or waits for sevres-init.", not is_good, 0)


def _disk(registry: Any) -> Measure:
    """Tell how full the disk of the portal's state is; one that takes no file is full."""
    folder = registry.settings_of_portal.var
    try:
        usage = shutil.disk_usage(folder)
        used = 100 - 100 * usage.free / usage.total if os.access(folder, os.W_OK) else 100.0
    except OSError:
        used = 100.0
    return Measure("disk_used_percent", "How full the disk of the portal's state is.", used, 100 - _LEAST_FREE)


def beat(registry: Any, name: str) -> None:
    """Say that a worker lives, now and then; what keeps it from being said is not the worker's to mend."""
    now = registry.clock.now()
    manager = transaction.TransactionManager(explicit=True)
    try:
        with closing(registry._zodb_databases[""].open(transaction_manager=manager)) as connection, manager:
            beats = portal_in(connection.root(), registry).stores["heartbeats"]
            last = beats.get(name)
            if last is None or not timedelta() <= now - last < _BEAT_EVERY:
                beats[name] = now
    except TransientError:
        log.info("Another %s said it at the same time", name)


def silence_of(portal: Portal, name: str, now: datetime) -> Measure:
    """Measure for how long a worker did not say that it lives."""
    last = portal.stores["heartbeats"].get(name)
    seconds = (now - last).total_seconds() if last else inf
    words = f"How long ago the {name} worker last said that it lives, in seconds."
    return Measure(f"{name}_worker_silent_seconds", words, seconds, LONGEST_SILENCE.total_seconds())


def _clock(portal: Portal, registry: Any, now: datetime) -> Iterator[Measure]:
    """Measure how far this machine's clock may be from the true time, and from the last thing that was written."""
    error = registry.clock.error()
    yield Measure("clock_error_seconds", "How far from the true time the clock may be.", error, _MOST_SKEW)
    last = max(portal.stores["heartbeats"].values(), default=datetime.min.replace(tzinfo=UTC))
    ahead = max(0.0, (last - now).total_seconds())
    yield Measure("clock_behind_seconds", "How far the clock is behind what was already written.", ahead, _MOST_SKEW)


def add_measures(config: Configurator, function: Measuring) -> None:
    """Declare measures of an area (a directive: ``config.add_measures``)."""
    config.registry.measurings.append(function)


def includeme(config: Configurator) -> None:
    """Add the pages."""
    registry = config.registry
    registry.measurings = [_clock]
    registry.watch = Watch(registry)
    registry.watch_paths = frozenset(f"/{registry.seat}{name}" for name in PAGES)
    registry.request_listeners.append(registry.watch.note)
    config.add_directive("add_measures", add_measures)
    config.add_evolution_steps(*evolve.STEPS)
    for name, view in zip(PAGES, (show_process, show_readiness, show_metrics), strict=True):
        config.add_route(name, f"/{name}", factory=Watched, request_method="GET")
        config.add_view(view, route_name=name, permission=Permission.SERVICE_WATCH)
