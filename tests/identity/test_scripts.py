"""`sevres-password`."""

import re
import sys

import pytest

from sevres_familles.domain.references import is_printed_password
from sevres_familles.identity.resources import Scope
from sevres_familles.identity.scripts import issue_password
from sevres_familles.identity.services import authenticate
from sevres_familles.web.root import portal_in
from tests import factories
from tests.conftest import make_app
from tests.identity.helpers import PRINTED

LOGGING = (
    "[loggers]\nkeys = root\n[handlers]\nkeys =\n[formatters]\nkeys =\n[logger_root]\nlevel = WARNING\nhandlers =",
)


@pytest.fixture
def on_disk(ini):
    """The settings, with a database that a command and the portal share."""
    return ini | {"sevres.storage": "embedded://{var}/database"}


@pytest.fixture
def app(on_disk, clock):
    app = make_app(on_disk, clock)
    database = app.registry._zodb_databases[""]
    with database.transaction() as connection:
        factories.store_family(portal_in(connection.root(), app.registry))
    yield app
    database.close()


@pytest.fixture
def issue(app, on_disk, tmp_path, monkeypatch, capsys):
    """Run the command, and give what it prints."""

    def run(*arguments, **settings):
        path = tmp_path / "portal.ini"
        lines = [f"{name} = {value}" for name, value in (on_disk | settings).items()]
        path.write_text("\n".join(["[app:main]", "use = egg:sevres_familles", *lines, *LOGGING]))
        for name in ("VAR", "PORT"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(sys, "argv", ["sevres-password", str(path), *arguments])
        issue_password()
        return capsys.readouterr().out

    return run


def opens(app, clock, code, password):
    with app.registry._zodb_databases[""].transaction() as connection:
        return authenticate(portal_in(connection.root(), app.registry), app.registry, code, password, clock.now())


def test_issues_a_password_and_shows_it_once_while_the_portal_serves(issue, app, clock):
    shown = issue("26719")

    (password,) = re.findall(r"[2-9A-HJ-KM-NP-Z]{4}(?:-[2-9A-HJ-KM-NP-Z]{4}){3}", shown)
    assert "Code d’accès : 26719" in shown
    assert is_printed_password(password)
    assert opens(app, clock, "26719", password) is Scope.ACTIVATION


def test_the_next_one_is_another(issue):
    assert issue("26719") != issue("26719")


def test_may_be_fixed_for_the_demonstration(issue):
    assert PRINTED in issue("26719", "--password", PRINTED)


def test_is_not_fixed_in_production(issue):
    production = {
        "sevres.environment": "production",
        "sevres.public_url": "https://portail.example",
        "sevres.hosts": "portail.example",
        "sevres.bank_mode": "PRODUCTION",
        "sevres.bank_form_url": "https://banque.example/",
        "sevres.bank_rest_url": "https://banque.example/",
        "sevres.town_file": "tests.host:valombre/ville.toml",
    }

    with pytest.raises(SystemExit, match="refusé ici"):
        issue("26719", "--password", PRINTED, **production)


@pytest.mark.parametrize(
    ("arguments", "said"), [(["99999"], "99999"), (["26719", "--password", "motdepasse"], "forme")]
)
def test_says_what_is_wrong(issue, arguments, said):
    with pytest.raises(SystemExit, match=said):
        issue(*arguments)
