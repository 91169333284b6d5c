"""The settings: both ini files, what they need, what production refuses, and the secrets beside them."""

import re
import shutil
import stat
import tomllib
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
from pyramid.paster import get_app, get_appsettings

from sevres_familles.web.scripts import prepare_database
from sevres_familles.web.settings import OWN_SECRETS, Settings, WrongSettings, make_secrets, read_settings
from tests.conftest import browser_of

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "sevres_familles" / "demo"
INI_FILES = ("development.ini", "production.ini")
SECRET = "0123456789abcdef" * 4
#: What stands in capitals in production.ini and deploy/ville.toml, and what a town writes there.
CAPITALS = {
    "FAMILLES.VILLE.EXAMPLE": "familles.ville.example",
    "VILLE.EXAMPLE": "ville.example",
    "= A_REMPLIR": "= 87654321",
    "A_REMPLIR": "Valombre",
}


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    """What the settings are, whatever VAR and PORT the tests were started with."""
    monkeypatch.delenv("VAR", raising=False)
    monkeypatch.delenv("PORT", raising=False)


def filled_in(name: str) -> str:
    """Give a file of the repository as a town fills it in."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for capitals, words in CAPITALS.items():
        text = text.replace(capitals, words)
    return text


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """production.ini as a town fills it in, in a folder with its town file and its secrets."""
    text = filled_in("production.ini")
    text = text.replace("/etc/espace-familles", str(tmp_path)).replace(
        "/var/lib/espace-familles", str(tmp_path / "var")
    )
    shutil.copytree(DEMO / "theme", tmp_path / "theme")
    (tmp_path / "ville.toml").write_text(filled_in("deploy/ville.toml"), encoding="utf-8")
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    for name in (*OWN_SECRETS, "bank.key", "bank-rest.password"):
        (secrets / name).touch(mode=0o600)
        (secrets / name).write_text(f"{SECRET}\n")
    ini = tmp_path / "production.ini"
    ini.write_text(text, encoding="utf-8")
    return ini


def settings_of(path: Path) -> dict[str, Any]:
    return dict(get_appsettings(str(path)))


class TestFiles:
    def test_development_is_whole(self):
        settings = read_settings(settings_of(ROOT / "development.ini"), {})

        assert not settings.is_production
        assert settings.public_url == "http://localhost:6543"

    def test_production_as_a_town_fills_it_in_is_whole(self, filled):
        settings = read_settings(settings_of(filled), {})

        assert settings.is_production
        assert settings.is_secure
        assert settings.hosts == ("familles.ville.example",)
        assert settings.bank_sources == ("194.50.38.0/24",)

    def test_production_answers_with_its_own_secrets(self, filled):
        app = get_app(str(filled))
        try:
            prepare_database(app.registry)
            page = browser_of(app, "familles.ville.example", "https").get("/connexion")

            assert "Code d’accès" in page
            assert page.headers["Strict-Transport-Security"]
            assert page.headers.getall("Set-Cookie")[0].startswith("__Host-session=")
        finally:
            for database in app.registry._zodb_databases.values():
                database.close()

    def test_production_makes_no_secret_by_being_opened(self, filled):
        (filled.parent / "secrets" / "session.key").unlink()

        with pytest.raises(FileNotFoundError):
            get_app(str(filled))

        assert not (filled.parent / "secrets" / "session.key").exists()

    def test_nothing_is_left_in_capitals_once_filled_in(self, filled):
        values = " ".join(line for line in filled.read_text().splitlines() if line.startswith("sevres."))

        assert not re.search(r"\b[A-Z]{3,}\b(?<!PRODUCTION)", values)

    @pytest.mark.parametrize("name", INI_FILES)
    def test_hold_no_secret(self, name):
        text = (ROOT / name).read_text(encoding="utf-8")

        assert not re.search(r"\b[0-9a-fA-F]{16,}\b", text)
        assert not re.search(r"://[^/\s]+:[^/\s]+@", text)
        for setting in ("key", "password", "secret"):
            for line in re.findall(rf"^sevres\.\w*{setting}\w*\s*=\s*(.+)$", text, re.MULTILINE):
                assert "/" in line, "a secret is named by its file"

    @pytest.mark.parametrize("name", INI_FILES)
    def test_name_every_setting_that_has_no_default(self, name):
        required = {f"sevres.{each.name}" for each in fields(Settings) if each.default is MISSING}

        assert required <= set(settings_of(ROOT / name))

    @pytest.mark.parametrize("name", INI_FILES)
    def test_keep_the_bank_s_library_from_writing_its_key(self, name):
        text = (ROOT / name).read_text(encoding="utf-8")

        assert re.search(r"\[logger_eopayment\]\nlevel = INFO", text)


class TestWrongSettings:
    def test_all_that_is_missing_or_unknown_or_wrong_is_named_at_once(self, ini):
        for name in ("sevres.storage", "sevres.town_file"):
            del ini[name]

        with pytest.raises(WrongSettings) as error:
            read_settings({**ini, "sevres.colour": "blue", "sevres.smtp_port": "many"}, {})

        for name in ("storage manque", "town_file manque", "colour n’est pas un réglage", "smtp_port"):
            assert f"sevres.{name}" in str(error.value)

    @pytest.mark.parametrize("name", [each.name for each in fields(Settings) if each.default is MISSING])
    def test_each_that_is_needed_is_missed(self, ini, name):
        # The folder of all state, too, has to be said: but VAR may say it.
        ini.pop(f"sevres.{name}")

        if name == "var":
            assert read_settings(ini, {"VAR": "/somewhere"}).var == Path("/somewhere")
            return
        with pytest.raises(WrongSettings, match=f"sevres.{name} manque"):
            read_settings(ini, {})

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("environment", "staging"),
            ("session_idle", "a while"),
            ("ask_delays", "30 soon"),
            ("accessibility_rate", "120"),
            ("accessibility_audited_on", "hier"),
            ("storage", "embedded://{nowhere}"),
        ],
    )
    def test_a_wrong_value_is_named(self, ini, name, value):
        with pytest.raises(WrongSettings, match=f"sevres.{name}"):
            read_settings({**ini, f"sevres.{name}": value}, {})

    def test_places_come_from_the_environment_for_every_command_alike(self, ini):
        settings = read_settings({**ini, "sevres.public_url": "http://localhost:{port}"}, {"PORT": "7000", "VAR": "/v"})

        assert (settings.port, settings.var) == (7000, Path("/v"))
        assert settings.public_url == "http://localhost:7000"
        assert settings.secrets_folder == Path("/v/secrets")

    def test_the_ports_of_bank_mailbox_and_mails_follow(self):
        settings = read_settings(settings_of(ROOT / "development.ini"), {"PORT": "7000"})

        assert settings.bank_form_url == "http://127.0.0.1:7001/banque/vads-payment/"
        assert settings.smtp_port == 7003


UNSAFE = {
    "sevres.bank_mode": "TEST",
    "sevres.public_url": "http://familles.ville.example",
    "sevres.bank_form_url": "http://127.0.0.1:6544/banque/vads-payment/",
    "sevres.bank_rest_url": "http://127.0.0.1:6544/banque/api-payment/V4/",
    "sevres.town_file": "sevres_familles:demo/ville.toml",
}


class TestProduction:
    @pytest.mark.parametrize("name", UNSAFE)
    def test_refuses_what_must_not_serve_families(self, filled, name):
        with pytest.raises(WrongSettings, match=re.escape(name)):
            read_settings({**settings_of(filled), name: UNSAFE[name]}, {})

    def test_names_all_of_it_at_once(self, filled):
        with pytest.raises(WrongSettings) as error:
            read_settings({**settings_of(filled), **UNSAFE}, {})

        assert [name for name in UNSAFE if name not in str(error.value)] == []

    def test_refuses_the_demonstration_by_its_path_too(self, filled):
        with pytest.raises(WrongSettings, match="town_file"):
            read_settings({**settings_of(filled), "sevres.town_file": str(DEMO / "ville.toml")}, {})


class TestTown:
    """Production tells families to write and call to their own town, and to nobody else."""

    @staticmethod
    def refused(filled: Path, text: str) -> set[str]:
        """Write a town file, and give the keys that are refused in it; none when production starts."""
        (filled.parent / "ville.toml").write_text(text, encoding="utf-8")
        try:
            read_settings(settings_of(filled), {})
        except WrongSettings as error:
            return set(re.findall(r"sevres.town_file : ([\w.\[\]]+) reste à remplir", str(error))) or {str(error)}
        return set()

    def test_is_told_all_that_is_left_in_capitals(self, filled):
        refused = self.refused(filled, (ROOT / "deploy" / "ville.toml").read_text(encoding="utf-8"))

        assert {"town.name", "town.site", "town.contact.phones", "town.host.service", "invoices.appeal"} < refused

    def test_names_each_regie_by_its_place(self, filled):
        text = (ROOT / "deploy" / "ville.toml").read_text(encoding="utf-8")
        first = text[text.index("[[regie]]") :]

        refused = self.refused(filled, f"{text}\n{first.replace('A_REMPLIR', 'rempli')}")

        assert {"regie[1].name", "regie[1].contact.address", "regie[1].invoices.send_to"} < refused
        assert not [key for key in refused if key.startswith("regie[2].name")]

    def test_has_every_key_that_the_demonstration_has(self):
        assert keys_of(ROOT / "deploy" / "ville.toml") == keys_of(DEMO / "ville.toml")

    def test_copied_from_the_demonstration_is_refused(self, filled):
        refused = self.refused(filled, (DEMO / "ville.toml").read_text(encoding="utf-8"))

        assert {"town.security_contact", "town.host.service"} <= refused

    @pytest.mark.parametrize(
        ("key", "line"),
        [
            ("town.name", 'name = "Sèvres"'),
            ("town.site", 'site = "https://www.sevres.fr/"'),
            ("town.security_contact", 'security_contact = "mailto:securite@ville-sevres.example"'),
            ("town.contact.address", 'address = ["54 Grande Rue", "92310 Sèvres"]'),
            ("town.contact.phones", 'phones = ["09 99 99 99 10", "01 41 14 11 29"]'),
            ("town.host.service", 'service = "Site de démonstration, sans hébergeur"'),
            ("regie[1].invoices.send_to", 'send_to = ["Mairie de Sèvres"]'),
        ],
    )
    def test_with_one_line_of_the_demonstration_left_is_refused(self, filled, key, line):
        table, name = key.replace("[1]", "").rpartition(".")[::2]
        table, name = f"[{table}]", f"{name} = "
        before, opening, after = filled_in("deploy/ville.toml").partition(table)
        lines = after.split("\n")
        place = next(number for number, each in enumerate(lines) if each.startswith(name))
        lines[place] = line

        assert self.refused(filled, before + opening + "\n".join(lines)) == {key}

    def test_that_the_demonstration_is_drawn_from_may_say_its_own_name_and_address(self, filled):
        text = (DEMO / "ville.toml").read_text(encoding="utf-8")
        text = text.replace("securite@ville-sevres.example", "securite@sevres.fr")

        assert self.refused(filled, text) == {"town.host.service"}
        assert self.refused(filled, text.replace("Site de démonstration, sans hébergeur", "La ville")) == set()

    @pytest.mark.parametrize("text", ["[town", "[town]\nname = 'Valombre'\n"])
    def test_that_cannot_be_read_is_told_with_all_the_rest(self, filled, text):
        (refused,) = self.refused(filled, text)

        assert "sevres.town_file : ville.toml" in refused

    def test_that_is_not_there_is_told_too(self, filled):
        (filled.parent / "ville.toml").unlink()

        with pytest.raises(WrongSettings, match=r"town_file : .*ville\.toml n’existe pas"):
            read_settings(settings_of(filled), {})


def keys_of(path: Path) -> set[str]:
    """List the keys of a town file."""

    def walk(key: str, value: Any) -> set[str]:
        match value:
            case dict():
                return set().union(*(walk(f"{key}.{name}", each) for name, each in value.items()))
            case [dict(), *_]:
                return set().union(*(walk(key, each) for each in value))
        return {key}

    return walk("", tomllib.loads(path.read_text(encoding="utf-8")))


class TestSecrets:
    """S28."""

    def test_are_made_readable_by_the_service_alone(self, ini):
        settings = read_settings(ini, {})
        make_secrets(settings)

        names = [*(settings.secrets_folder / name for name in OWN_SECRETS), settings.bank_key_file]
        names.append(settings.bank_rest_password_file)
        assert {stat.S_IMODE(path.stat().st_mode) for path in names} == {0o600}
        assert stat.S_IMODE(settings.secrets_folder.stat().st_mode) == 0o700
        assert len({path.read_text() for path in names}) == len(names)
        assert all(re.fullmatch(r"[0-9a-f]{64}\n", path.read_text()) for path in names)

    def test_that_exist_are_kept(self, ini):
        settings = read_settings(ini, {})
        make_secrets(settings)
        before = settings.secret("session.key")

        make_secrets(settings)

        assert settings.secret("session.key") == before

    def test_of_the_bank_are_not_made_up_in_production(self, filled):
        settings = read_settings(settings_of(filled), {})
        for path in (settings.bank_key_file, settings.bank_rest_password_file):
            path.unlink()

        make_secrets(settings)

        assert not settings.bank_key_file.exists()
        assert not settings.bank_rest_password_file.exists()

    def test_do_not_show_in_what_settings_and_gateways_say_of_themselves(self, app):
        registry = app.registry
        settings = registry.settings_of_portal
        shown = f"{settings!r} {registry.gateways!r} {registry.settings!r} {registry.passwords!r}"

        for path in (*(settings.secrets_folder / name for name in OWN_SECRETS), settings.bank_key_file):
            assert settings.read_secret(path).decode() not in shown
        assert settings.read_secret(settings.bank_rest_password_file).decode() not in shown

    def test_stand_in_no_file_of_the_repository(self):
        names = {path.name for folder in ("sevres_familles", "docs") for path in (ROOT / folder).rglob("*")}

        assert names & {*OWN_SECRETS, "bank.key", "bank-rest.password"} == set()
