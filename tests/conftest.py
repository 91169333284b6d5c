"""One application and one in-memory database a test; time from a clock that the test sets; the network closed."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

# make gives these to what it serves; a test has a folder and ports of its own.
for _name in ("VAR", "PORT"):
    os.environ.pop(_name, None)

# Each test makes an application of its own: without a cache each would compile every template again (0.5 s a page).
# Chameleon reads this when it is imported, and names what it keeps by its content.
_templates = Path(__file__).parents[1] / ".pytest_cache" / "chameleon"
_templates.mkdir(parents=True, exist_ok=True)
os.environ["CHAMELEON_CACHE"] = str(_templates)

import hypothesis
import pytest
import transaction
from pyramid.config import Configurator
from pyramid.router import Router
from webtest import TestApp

from sevres_familles.web.root import Portal
from sevres_familles.web.scripts import prepare_database
from tests.leaks.plugin import pytest_sessionfinish
from tests.machine import lacking
from tests.postgres import Postgres, binaries, running_postgres

# The last step of every run: what the tests left is scanned for cards and secrets.
__all__ = ["pytest_sessionfinish"]

# What a machine does beside the tests is no fault of theirs.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")

#: A Monday afternoon: 15:35 in Paris.
NOW = datetime(2026, 11, 23, 14, 35, tzinfo=UTC)


class StoppedClock:
    """A clock that moves when told."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        self.seconds_wrong = 0.001

    def now(self) -> datetime:
        return self.moment

    def error(self) -> float:
        return self.seconds_wrong

    def advance(self, **duration: float) -> None:
        self.moment += timedelta(**duration)


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock(NOW)


def settings_in(folder: Path) -> dict[str, str]:
    """Write the settings of an ini, in development, with tiny password parameters; state goes to a folder."""
    return {
        "sevres.environment": "development",
        "sevres.var": str(folder / "var"),
        "sevres.public_url": "http://localhost",
        "sevres.hosts": "localhost",
        "sevres.storage": "memory://",
        "sevres.secrets_folder": "{var}/secrets",
        "sevres.town_file": "sevres_familles:demo/ville.toml",
        "sevres.source_url": "https://source.example/",
        "sevres.smtp_host": "127.0.0.1",
        "sevres.smtp_port": "9",
        "sevres.mail_sender": "Espace familles <portail@ville.example>",
        "sevres.argon2_memory_kib": "8",
        "sevres.argon2_time": "1",
        # A test reads every document within one moment of its stopped clock.
        "sevres.documents_per_minute": "1000",
        "sevres.bank_form_url": "http://127.0.0.1:6544/banque/vads-payment/",
        "sevres.bank_rest_url": "http://127.0.0.1:6544/banque/api-payment/V4/",
        "sevres.bank_site_id": "12345678",
        "sevres.bank_mode": "TEST",
        "sevres.bank_key_file": "{var}/secrets/bank.key",
        "sevres.bank_rest_password_file": "{var}/secrets/bank-rest.password",
        "sevres.bank_sources": "127.0.0.1",
    }


@pytest.fixture
def ini(tmp_path: Path) -> dict[str, str]:
    return settings_in(tmp_path)


def make_app(ini: dict[str, str], clock: Any) -> Router:
    """Make the portal as `sevres_familles.main` does, with a clock of the test's."""
    with Configurator(settings=ini) as config:
        config.registry.clock = clock
        config.include("sevres_familles")
    app = config.make_wsgi_app()
    prepare_database(app.registry)
    return app


@pytest.fixture
def app(ini: dict[str, str], clock: StoppedClock) -> Iterator[Router]:
    app = make_app(ini, clock)
    yield app
    for database in app.registry._zodb_databases.values():
        database.close()


@pytest.fixture
def registry(app: Router) -> Any:
    return app.registry


Stored = Callable[[], AbstractContextManager[Portal]]


@contextmanager
def portal_stored(registry: Any) -> Iterator[Portal]:
    """Open the portal in the database of an application, and commit at the end."""
    manager = transaction.TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=manager)
    try:
        with manager:
            yield connection.root()[registry.settings_of_portal.root_name]
    finally:
        connection.close()


@pytest.fixture
def stored(registry: Any) -> Stored:
    """Open the portal in the database: ``with stored() as portal`` commits at its end."""
    return partial(portal_stored, registry)


def browser_of(app: Any, host: str = "localhost", scheme: str = "http") -> TestApp:
    """Open a browser without scripts."""
    return TestApp(app, extra_environ={"HTTP_HOST": host, "wsgi.url_scheme": scheme, "REMOTE_ADDR": "192.0.2.1"})


@pytest.fixture
def browser(app: Router) -> TestApp:
    """A browser without scripts, on http://localhost."""
    return browser_of(app)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL server for the whole run: ``with postgres.database() as address`` gives an empty database."""
    if binaries() is None:
        lacking("PostgreSQL", "postgresql")
    with running_postgres(kept=tmp_path_factory.mktemp("postgresql")) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database, of each kind in turn, as ``sevres.storage`` has it."""
    if request.param == "sqlite":
        yield f"embedded://{tmp_path}/database"
    else:
        with request.getfixturevalue("postgres").database() as address:
            yield address


class NetworkIsClosed(AssertionError):
    """A test tried to reach another machine."""


@pytest.fixture(autouse=True)
def _closed_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let sockets reach this machine alone."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise NetworkIsClosed(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
