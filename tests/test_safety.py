"""What production refuses at its start, and what *recette* may (requirements S19, S27, S28, S29)."""

import re
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

import pytest

from sevres_familles import main
from sevres_familles.web import safety
from sevres_familles.web.scripts import opened
from sevres_familles.web.settings import WrongSettings, make_secrets, read_settings
from tests.test_ini_files import filled, settings_of  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[1]


@pytest.fixture
def production(filled):  # noqa: F811 - the fixture
    return settings_of(filled)


@pytest.fixture
def recette(ini):
    return ini | {"sevres.environment": "recette", "sevres.demo_data": "true"}


class TestProduction:
    def test_starts_as_it_is_filled_in(self, production):
        assert read_settings(production, {}).is_production

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("sevres.bank_form_url", "https://localhost:6544/banque/vads-payment/"),
            ("sevres.bank_rest_url", "https://127.0.0.1/banque/api-payment/V4/"),
            ("sevres.bank_rest_url", "https://[::1]/banque/api-payment/V4/"),
            ("sevres.bank_site_id", "A_REMPLIR"),
            ("sevres.bank_site_id", "SITE"),
            ("sevres.demo_data", "true"),
            ("sevres.hosts", "FAMILLES.VILLE.EXAMPLE"),
            ("sevres.mail_sender", "Espace familles <ne-pas-repondre@VILLE.EXAMPLE>"),
            ("sevres.bank_signature", "sha1"),
            ("pyramid.reload_templates", "true"),
            ("pyramid.debug_all", "1"),
            ("pyramid.includes", "pyramid_debugtoolbar"),
        ],
    )
    def test_refuses(self, production, name, value):
        with pytest.raises(WrongSettings, match=re.escape(name) if "includes" not in name else "debugtoolbar"):
            read_settings(production | {name: value}, {})

    @pytest.mark.parametrize("name", ["PYRAMID_DEBUG_ALL", "PYRAMID_RELOAD_TEMPLATES"])
    def test_refuses_what_the_environment_turns_on(self, production, name):
        with pytest.raises(WrongSettings, match=name):
            read_settings(production, {name: "1"})

    def test_refuses_to_start_beside_the_toolbar(self, production, monkeypatch):
        monkeypatch.setattr(safety, "find_spec", lambda name: object())

        with pytest.raises(WrongSettings, match="debugtoolbar"):
            read_settings(production, {})

    @pytest.mark.parametrize("name", ["session.key", "tokens.key", "bank.key", "bank-rest.password"])
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666])
    def test_refuses_secrets_that_others_can_read(self, production, filled, name, mode):  # noqa: F811
        path = filled.parent / "secrets" / name
        path.chmod(mode)

        with pytest.raises(WrongSettings, match=re.escape(str(path))):
            read_settings(production, {})

    @pytest.mark.parametrize("folder", ["var", "var/database"])
    def test_refuses_data_that_others_can_reach(self, production, filled, folder):  # noqa: F811
        path = filled.parent / folder
        path.mkdir(parents=True)
        path.chmod(0o755)

        with pytest.raises(
            WrongSettings, match=re.escape(f"{path} ne doit être lisible que par le service (chmod 700)")
        ):
            read_settings(production, {})

    @pytest.mark.parametrize("name", ["backup.key", "pgpass", "smtp.password"])
    def test_refuses_whatever_others_can_read_among_the_secrets(self, production, filled, name):  # noqa: F811
        path = filled.parent / "secrets" / name
        path.touch(mode=0o600)
        read_settings(production, {})
        path.chmod(0o640)

        with pytest.raises(
            WrongSettings, match=re.escape(f"{path} ne doit être lisible que par le service (chmod 600)")
        ):
            read_settings(production, {})

    def test_refuses_a_folder_of_secrets_that_others_can_reach(self, production, filled):  # noqa: F811
        path = filled.parent / "secrets"
        path.chmod(0o711)

        with pytest.raises(
            WrongSettings, match=re.escape(f"{path} ne doit être lisible que par le service (chmod 700)")
        ):
            read_settings(production, {})

    @pytest.mark.parametrize(
        "address",
        [
            "postgresql://portail@base.ville.example/portail?passfile=/x",
            "postgresql://portail@/portail?host=base.ville.example",
            "postgresql://portail@localhost/portail?hostaddr=10.0.0.5",
            "postgresql://portail@localhost,base.ville.example/portail?passfile=/x",
            "postgresql://portail@/portail?host=/var/run/postgresql,10.0.0.5",
            "postgresql://portail@/portail?service=ville",
        ],
    )
    def test_refuses_a_database_elsewhere_that_may_not_be_who_it_says(self, production, address):
        word = "&" if "?" in address else "?"
        for weak in ("", "sslmode=require", "sslmode=prefer", "sslmode=verify-ca", "sslmode=verify-full&sslmode=allow"):
            with pytest.raises(WrongSettings, match="sslmode"):
                read_settings(production | {"sevres.storage": f"{address}{word}{weak}"}, {})
        read_settings(production | {"sevres.storage": f"{address}{word}sslmode=verify-full"}, {})

    @pytest.mark.parametrize("name", ["PGHOST", "PGHOSTADDR", "PGSERVICE"])
    def test_refuses_one_that_the_environment_puts_elsewhere(self, production, name):
        here = production | {"sevres.storage": "postgresql://portail@/portail"}

        read_settings(here, {})
        with pytest.raises(WrongSettings, match="sslmode"):
            read_settings(here, {name: "10.0.0.5"})

    @pytest.mark.parametrize("place", ["localhost", "127.0.0.1,[::1]", "", "%2Fvar%2Frun%2Fpostgresql"])
    def test_believes_a_database_of_this_machine(self, production, place):
        read_settings(production | {"sevres.storage": f"postgresql://portail@{place}/portail?passfile=/x"}, {})

    def test_refuses_an_address_that_postgresql_would_not_understand(self, production):
        with pytest.raises(WrongSettings, match="PostgreSQL comprend"):
            read_settings(production | {"sevres.storage": "postgresql://portail@localhost/portail?colour=blue"}, {})

    def test_refuses_a_relay_elsewhere_in_the_clear(self, production):
        elsewhere = production | {"sevres.smtp_host": "relais.ville.example"}

        with pytest.raises(WrongSettings, match="smtp_security"):
            read_settings(elsewhere, {})
        read_settings(elsewhere | {"sevres.smtp_security": "starttls"}, {})


class TestRecette:
    def test_may_use_the_demonstration(self, recette):
        settings = read_settings(recette, {})

        assert settings.is_rehearsal
        assert settings.may_show_demonstration

    def test_must_be_told_to(self, recette):
        with pytest.raises(WrongSettings, match="town_file"):
            read_settings(recette | {"sevres.demo_data": "false"}, {})

    @pytest.mark.parametrize("name", ["public_url", "bank_form_url", "bank_rest_url"])
    def test_speaks_plain_http_on_this_machine_alone(self, recette, name):
        with pytest.raises(WrongSettings, match=f"{name} doit être en https"):
            read_settings(recette | {f"sevres.{name}": "http://familles.ville.example/"}, {})

    def test_refuses_what_helps_developers(self, recette):
        with pytest.raises(WrongSettings, match="debug_all"):
            read_settings(recette | {"pyramid.debug_all": "true"}, {})

    def test_makes_up_no_key_of_the_bank(self, recette):
        settings = read_settings(recette, {})

        make_secrets(settings)

        assert not settings.bank_key_file.exists()
        assert settings.var.stat().st_mode & 0o777 == 0o700

    def test_says_so_on_every_page(self, recette, clock):
        from tests.conftest import browser_of, make_app

        settings = read_settings(recette, {})
        make_secrets(settings)
        for path in (settings.bank_key_file, settings.bank_rest_password_file):
            path.touch(mode=0o600)
            path.write_text("secret")
        app = make_app(recette, clock)
        try:
            browser = browser_of(app)
            for path in ("/", "/connexion", "/aide/", "/nulle-part"):
                assert "Recette\u00a0: aucun paiement réel" in browser.get(path, expect_errors=True)
            strange = browser_of(app, "evil.example").get("/", status=400)
            assert "Recette" in strange
        finally:
            for database in app.registry._zodb_databases.values():
                database.close()

    def test_and_nobody_else_does(self, browser):
        assert "Recette" not in browser.get("/connexion")


class TestMails:
    @pytest.mark.parametrize("environment", ["development", "recette"])
    def test_a_password_never_travels_in_the_clear(self, recette, environment):
        given = {"sevres.environment": environment, "sevres.smtp_user": "portail", "sevres.smtp_password_file": "/x"}

        with pytest.raises(WrongSettings, match="smtp_security"):
            read_settings(recette | given, {})

    def test_a_user_has_a_password(self, recette):
        with pytest.raises(WrongSettings, match="smtp_password_file"):
            read_settings(recette | {"sevres.smtp_user": "portail", "sevres.smtp_security": "smtps"}, {})


class TestWhatIsInstalled:
    """S29: no toolbar comes with the portal."""

    def test_has_nothing_that_shows_the_inside(self):
        asked = {each.split(";")[0].split(" ")[0].lower() for each in distribution("sevres_familles").requires or ()}

        assert asked & {"pyramid_debugtoolbar", "pyramid-debugtoolbar", "pdbpp", "ipdb", "ipython"} == set()
        assert find_spec("pyramid_debugtoolbar") is None


class TestUnpickling:
    """S19: nothing that comes from outside is unpickled, or run."""

    def test_no_code_of_ours_reads_a_pickle_or_runs_a_text(self):
        telling = re.compile(r"\b(pickle|marshal|shelve|dill|joblib)\b\.loads?|\beval\(|\bexec\(|yaml\.load\(")
        found = {
            path.relative_to(ROOT): line.strip()
            for path in (ROOT / "sevres_familles").rglob("*.py")
            for line in path.read_text(encoding="utf-8").splitlines()
            if telling.search(line)
        }

        assert found == {}

    def test_a_session_is_json(self, registry):
        from pyramid.session import JSONSerializer

        from sevres_familles.web.sessions import CookieSerializer

        serializer = CookieSerializer(registry.settings_of_portal)
        assert all(isinstance(each.serializer, JSONSerializer) for each in serializer._all())


def test_the_server_names_what_is_refused_one_a_line_and_ends_without_a_trace():
    with pytest.raises(SystemExit) as end:
        main({}, **settings_of(ROOT / "production.ini"))

    first, *faults = str(end.value).splitlines()
    assert first == "Réglages refusés :"
    assert len(faults) > 1
    assert all(fault.startswith("- ") for fault in faults)


def test_a_command_names_what_is_refused_without_a_trace(production, filled):  # noqa: F811
    filled.write_text(filled.read_text().replace("bank_mode = PRODUCTION", "bank_mode = TEST"))

    with pytest.raises(SystemExit, match="Réglages refusés") as error, opened(str(filled)):
        pass

    assert "\n- sevres.bank_mode doit être PRODUCTION" in str(error.value)
