"""Secrets are changed while the portal serves: nobody is thrown out and no link dies, until the former is forgotten."""

import stat
import sys

import pytest

from sevres_familles.identity import rotation
from sevres_familles.identity.emails import EmailIndex
from sevres_familles.identity.scripts import rotate
from sevres_familles.identity.services import DeadLink, ask_confirmation, check_confirmation, codes_with_email
from sevres_familles.identity.tokens import Purpose, token_for
from sevres_familles.notifications.letters import compose
from sevres_familles.web.root import portal_in
from tests import factories
from tests.conftest import NOW, make_app
from tests.identity.helpers import sign_in

ADDRESS = "dupond@free.fr"
HOME = f"/familles/{factories.CODE}/"


@pytest.fixture
def key_file(registry):
    return lambda name: registry.settings_of_portal.secrets_folder / f"{name}.key"


class TestSessionKey:
    def test_sessions_go_on_and_are_signed_anew(self, with_password, browser, key_file, clock):
        sign_in(browser)
        before = browser.cookies["session"]

        rotation.renew(key_file("session"))
        browser.get(HOME, status=200)
        clock.advance(minutes=2)
        browser.post("/prolonger", {"csrf_token": browser.get(HOME).forms[0]["csrf_token"].value}, status=204)

        assert browser.cookies["session"] != before
        rotation.forget_former(key_file("session"))
        browser.get(HOME, status=200)

    def test_once_the_former_is_forgotten_it_opens_nothing(self, with_password, browser, key_file):
        sign_in(browser)
        rotation.renew(key_file("session"))

        assert rotation.forget_former(key_file("session")) == 1

        assert browser.get(HOME, status=303).location.startswith("http://localhost/connexion")

    def test_a_cookie_of_nobody_s_key_opens_nothing(self, with_password, browser, key_file):
        sign_in(browser)
        key_file("session").write_text("another\nand another\n")

        browser.get(HOME, status=303)


class TestTokensKey:
    def find(self, stored, registry):
        with stored() as portal:
            return list(codes_with_email(portal, registry, ADDRESS))

    def test_families_are_found_all_along_by_their_address(self, with_password, stored, registry, key_file):
        rotation.renew(key_file("tokens"))
        assert self.find(stored, registry) == [factories.CODE]

        assert rotation.note_addresses(registry) == 1
        assert self.find(stored, registry) == [factories.CODE]

        rotation.forget_former(key_file("tokens"))
        assert self.find(stored, registry) == [factories.CODE]

    def test_without_noting_they_would_be_lost(self, with_password, stored, registry, key_file):
        rotation.renew(key_file("tokens"))
        rotation.forget_former(key_file("tokens"))

        assert self.find(stored, registry) == []

    @pytest.fixture
    def mailed(self, with_password, browser, stored, registry):
        """Ask for forgotten identifiers; give what writes the address that the mail carries, when it leaves."""
        form = browser.get("/connexion").forms["oubli"]
        form["email"] = ADDRESS
        form.submit()

        def leave() -> str:
            with stored() as portal:
                (mail,) = portal.stores["outbox"].waiting.values()
                letter = compose(registry, portal, mail, NOW)
            return next(word for word in letter.body.split() if "/nouveau-mot-de-passe/" in word)

        return leave

    def test_a_link_opens_when_the_secret_changes_before_its_mail_leaves(self, mailed, browser, key_file):
        rotation.renew(key_file("tokens"))

        assert "Choisissez votre" in browser.get(mailed()).follow().text

    def test_a_link_opens_when_the_secret_changes_after_its_mail_left(self, mailed, browser, key_file):
        link = mailed()
        rotation.renew(key_file("tokens"))

        assert "Choisissez votre" in browser.get(link).follow().text

    def test_a_link_is_dead_once_the_secret_of_its_day_is_forgotten(self, mailed, browser, key_file):
        """After a leak: whoever has the secret and what waited in the outbox would make the token too."""
        link = mailed()
        rotation.renew(key_file("tokens"))
        rotation.forget_former(key_file("tokens"))

        assert browser.get(link).follow(expect_errors=True).status_int == 410

    def test_a_link_that_confirms_an_address_is_dead_then_too(
        self, with_password, stored, registry, key_file, announced
    ):
        with stored() as portal:
            ask_confirmation(portal, registry, factories.CODE, "pierre@ville.example", NOW)
            token = token_for(registry.settings_of_portal, Purpose.EMAIL, factories.CODE, announced[-1].nonce)
        rotation.renew(key_file("tokens"))
        with stored() as portal:
            check_confirmation(portal, registry, factories.CODE, token, NOW)

        rotation.forget_former(key_file("tokens"))

        with stored() as portal, pytest.raises(DeadLink):
            check_confirmation(portal, registry, factories.CODE, token, NOW)


class TestFiles:
    def test_stay_those_of_the_service(self, registry, key_file):
        path = key_file("session")
        before = path.read_text().strip()

        rotation.renew(path)

        new, former = path.read_text().split()
        assert former == before != new
        assert len(new) == 64
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert [each.name for each in path.parent.iterdir() if each.name.startswith(".")] == []


def test_an_address_that_stands_under_both_keys_is_found_once():
    index = EmailIndex()
    for key in (b"new", b"former"):
        index.note(key, "26719", [ADDRESS])

    assert list(index.codes((b"new", b"former"), ADDRESS, lambda code: [ADDRESS])) == ["26719"]


def test_the_command_changes_then_forgets(ini, clock, tmp_path, monkeypatch, capsys):
    ini |= {"sevres.storage": "embedded://{var}/database"}
    app = make_app(ini, clock)
    database = app.registry._zodb_databases[""]
    with database.transaction() as connection:
        factories.store_family(portal_in(connection.root(), app.registry))
    path = tmp_path / "portal.ini"
    lines = [f"{name} = {value}" for name, value in ini.items()]
    logging = "[loggers]\nkeys = root\n[handlers]\nkeys =\n[formatters]\nkeys =\n[logger_root]\nhandlers ="
    path.write_text("\n".join(["[app:main]", "use = egg:sevres_familles", *lines, logging]))
    said = []
    for more in ([], ["--end"]):
        monkeypatch.setattr(sys, "argv", ["sevres-rotate", str(path), "tokens", *more])
        rotate()
        said.append(capsys.readouterr().out)
    database.close()

    assert "1 famille notée" in said[0] or "Adresses de 1 famille" in said[0]
    assert "--end" in said[0]
    assert "1 ancien secret oublié" in said[1]
