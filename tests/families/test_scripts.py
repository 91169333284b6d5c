"""`sevres-delivery`: a family that has no way in takes its consent back by telephone."""

import sys

import pytest

from sevres_familles.families.delivery import choose_delivery
from sevres_familles.families.resources import DeliveryChoice
from sevres_familles.families.scripts import give_paper_back
from sevres_familles.identity.services import credentials_of
from sevres_familles.web.root import portal_in
from tests import factories
from tests.conftest import NOW, make_app
from tests.identity.helpers import give_password

LOGGING = "[loggers]\nkeys = root\n[handlers]\nkeys =\n[formatters]\nkeys =\n[logger_root]\nhandlers ="


@pytest.fixture
def ini(ini):
    """The settings, with a database that a command and the portal share."""
    return ini | {"sevres.storage": "embedded://{var}/database"}


@pytest.fixture
def app(ini, clock):
    app = make_app(ini, clock)
    yield app
    app.registry._zodb_databases[""].close()


@pytest.fixture
def electronic(app, stored):
    """The DUPOND family, which does without paper."""
    with stored() as portal:
        family = factories.store_family(portal)
        give_password(portal, app.registry)
        credentials_of(portal, factories.CODE).email = "pierre@ville.example"
        choose_delivery(portal, app.registry, family, electronic=True, at=NOW)


@pytest.fixture
def run(app, ini, tmp_path, monkeypatch, capsys):
    """Run the command, and give what it says."""

    def run(*arguments):
        path = tmp_path / "portal.ini"
        lines = [f"{name} = {value}" for name, value in ini.items()]
        path.write_text("\n".join(["[app:main]", "use = egg:sevres_familles", *lines, LOGGING]))
        monkeypatch.setattr(sys, "argv", ["sevres-delivery", str(path), *arguments])
        give_paper_back()
        return capsys.readouterr().out

    return run


@pytest.fixture
def choices(app):
    def choices() -> tuple[DeliveryChoice, ...]:
        with app.registry._zodb_databases[""].transaction() as connection:
            return portal_in(connection.root(), app.registry)["familles"][factories.CODE].delivery_choices

    return choices


def mails(stored):
    with stored() as portal:
        return [mail.context for mail in portal.stores["outbox"].waiting.values() if not mail.context["electronic"]]


def test_the_family_has_paper_again_and_who_noted_it_is_kept(electronic, run, choices, stored):
    assert "seront imprimées" in run(factories.CODE, "--paper")

    assert [(each.electronic, each.by) for each in choices()] == [(True, "famille"), (False, "service")]
    assert [each["by"] for each in mails(stored)] == ["service", "service"]


def test_one_that_has_paper_is_not_told_again(electronic, run, choices, stored):
    run(factories.CODE, "--paper")

    assert "Rien à changer" in run(factories.CODE, "--paper")

    assert len(choices()) == 2
    assert len(mails(stored)) == 2


def test_a_code_of_nobody_is_refused(electronic, run):
    with pytest.raises(SystemExit, match="Aucune famille n’a le code 99999"):
        run("99999", "--paper")


@pytest.mark.parametrize("more", [[], ["--electronic"]])
def test_it_goes_one_way_alone_and_that_is_said_by_whoever_runs_it(electronic, run, choices, more):
    with pytest.raises(SystemExit) as refused:
        run(factories.CODE, *more)

    assert refused.value.code == 2
    assert len(choices()) == 1
