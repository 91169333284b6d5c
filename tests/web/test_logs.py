"""S31: a line of JSON an event, which nobody forges and which tells nothing personal."""

import io
import json
import logging
from typing import Any

import pytest

from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.services import apply
from sevres_familles.web.logs import JsonFormatter, alias, tell
from tests import factories, rich
from tests.conftest import browser_of
from tests.identity.helpers import PASSWORD, sign_in
from tests.payments.making import evidence, opened

#: What a visitor may write wherever it can: a line of its own, a colour, an end of line of another alphabet.
FORGED = 'x\r\n{"at":"2026","level":"INFO","message":"forged"}\x1b[2J\u2028\x85\0'


@pytest.fixture
def written() -> Any:
    """What the portal's log and those of libraries write, as production formats it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root, ours = logging.getLogger(), logging.getLogger("sevres_familles")
    before = ours.level
    root.addHandler(handler)
    ours.setLevel(logging.INFO)
    yield stream
    root.removeHandler(handler)
    ours.setLevel(before)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    text = written.getvalue()
    assert text.isascii()
    assert not any(each < " " and each != "\n" for each in text)
    return [json.loads(line) for line in text.splitlines()]


class TestLines:
    @pytest.mark.parametrize("name", ["sevres_familles.payments", "waitress", "a library"])
    def test_are_never_forged(self, written, name):
        logging.getLogger(name).warning("It said %s", FORGED)
        logging.getLogger(name).warning(FORGED)

        told = lines(written)

        assert [line["level"] for line in told] == ["WARNING", "WARNING"]
        assert "forged" in told[0]["message"]

    def test_of_libraries_say_no_code_token_or_address(self, written):
        token = "0123456789abcdef" * 4
        for words in (
            "Exception while serving /familles/26719/comptes/scolaire",
            f"GET /nouveau-mot-de-passe/26719/{token}",
            f"GET /confirmer-mon-adresse/26719/{token}",
            "refused <claire@ville.example>",
            f"key {token}",
        ):
            logging.getLogger("waitress").warning(words)

        for secret in ("26719", token, "claire", "ville.example"):
            assert secret not in written.getvalue()

    def test_of_a_fault_tell_where_and_not_what(self, written):
        try:
            try:
                raise KeyError("26719")
            except KeyError as error:
                raise ValueError("claire@ville.example") from error
        except ValueError:
            logging.getLogger("sevres_familles.x").exception("It failed")

        (line,) = lines(written)
        assert [each for each in line["fault"] if "/" not in each] == ["ValueError", "KeyError"]
        assert "test_logs.py" in line["fault"][1]
        assert "26719" not in written.getvalue()
        assert "claire" not in written.getvalue()

    def test_with_arguments_that_do_not_fit_are_written_all_the_same(self):
        record = logging.LogRecord("a library", logging.WARNING, "file", 1, "%d %d", ("one",), None)

        assert json.loads(JsonFormatter().format(record))["message"] == "%d %d"


@pytest.fixture
def town(stored, registry) -> None:
    with stored() as portal:
        rich.store_rich_town(portal, registry)


def requests_of(written: io.StringIO) -> list[tuple[str, str, int]]:
    return [(line["method"], line["met"], line["status"]) for line in lines(written) if line["log"].endswith(".access")]


class TestRequests:
    def test_are_a_line_each_that_names_what_was_met(self, town, browser, written):
        sign_in(browser)
        browser.get(f"/familles/{rich.CODE}/")
        browser.get(f"/familles/{rich.CODE}/comptes/scolaire/payer?facture=2026-9161")
        browser.get(f"/familles/{rich.CODE}/comptes/scolaire/2026-9161/")
        browser.get("/familles/99999/", status=404)

        assert requests_of(written) == [
            ("GET", "Portal/connexion", 200),
            ("POST", "Portal/connexion", 303),
            ("GET", "Family", 200),
            ("GET", "FamilyAccount/payer", 200),
            ("GET", "Invoice", 200),
            ("GET", "nothing", 404),
        ]

    def test_of_files_say_so(self, browser, written):
        browser.get(f"/{browser.app.registry.static_prefix}/look.css")

        assert requests_of(written) == [("GET", "static", 200)]

    @pytest.mark.parametrize(
        "path", ["/FORGED", "/connexion/FORGED", "/familles/26719/FORGED", "/paiements/FORGED", "/?FORGED", "/@@FORGED"]
    )
    def test_repeat_nothing_that_a_visitor_wrote(self, town, browser, written, path):
        browser.get(path.replace("FORGED", "%0d%0a%7B%22forged%22"), expect_errors=True)
        browser.get("/", headers={"User-Agent": "forged", "Referer": "http://forged/", "Accept-Language": "forged"})

        assert len(requests_of(written)) == 2
        assert "forged" not in written.getvalue().lower()

    def test_carry_the_reference_that_the_page_of_a_fault_shows(self, town, browser, stored, written):
        with stored() as portal:
            portal["paiements"].of_family[rich.CODE] = ("P-GONE",)
        sign_in(browser)

        page = browser.get(f"/familles/{rich.CODE}/", expect_errors=True)

        assert page.status_int == 500
        reference = page.html.main.find("strong", class_="code").text
        assert {line["log"] for line in lines(written) if line.get("reference") == reference} >= {
            "sevres_familles.access",
            "sevres_familles.web.errors",
        }


class TestNothingPersonal:
    def test_is_written_of_a_whole_visit(self, town, browser, registry, written):
        browser.post("/connexion", {"code": "1", "mdp": "2"}, expect_errors=True)
        form = browser.get("/connexion").forms["connexion"]
        form["code"], form["mdp"] = rich.CODE, "a wrong secret"
        form.submit(expect_errors=True)
        sign_in(browser)
        for address in (f"/familles/{rich.CODE}/dossier", f"/familles/{rich.CODE}/paiements"):
            browser.get(address)

        text = written.getvalue()
        for personal in (rich.CODE, "DUPOND", "dupond", "Grande Rue", "192.0.2.1", PASSWORD, "a wrong secret"):
            assert personal not in text
        assert len(lines(written)) > 5


class TestSecurityEvents:
    """S32."""

    def told(self, written: io.StringIO) -> list[str]:
        return [line["message"] for line in lines(written) if line["log"].endswith(".security")]

    def test_a_sign_in_is_told_and_its_refusal(self, town, browser, registry, written):
        form = browser.get("/connexion").forms["connexion"]
        form["code"], form["mdp"] = rich.CODE, "a wrong secret"
        form.submit(status=422)
        sign_in(browser)

        (refused, opened) = [line for line in lines(written) if line["message"].startswith("sign-in")]
        assert (refused["message"], opened["message"]) == ("sign-in refused", "sign-in")
        assert refused["family"] == opened["family"] == alias(registry.settings_of_portal, rich.CODE)
        assert refused["visitor"] == opened["visitor"] == alias(registry.settings_of_portal, "192.0.2.1")

    def test_signing_out_is_told(self, town, browser, written):
        home = sign_in(browser).follow()
        home.forms[0].submit()

        assert self.told(written)[-1] == "sign-out"

    def test_a_form_without_its_token_is_told(self, browser, written):
        browser.post("/connexion", {"code": "1"}, status=400)

        assert self.told(written) == ["form refused"]

    def test_a_strange_host_is_told(self, app, written):
        browser_of(app, "evil.example").get("/", status=400)

        assert "host refused" in self.told(written)

    def test_what_becomes_of_a_payment_is_told(self, town, stored, registry, written):
        with stored() as portal:
            factories.store_invoice(portal["familles"][rich.CODE], factories.facts("6001"))
        with stored() as portal:
            payment = opened(portal, registry, "2026-6001", code=rich.CODE)
            apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED, transaction="told"))
            reference = payment.reference

        moves = [line for line in lines(written) if line["message"] == "payment"]
        assert (moves[-1]["payment"], moves[-1]["state"]) == (reference, "accepted")


class TestTelling:
    def test_waits_for_the_commit(self, stored, written):
        with stored() as portal:
            tell(portal, "an event", fact=1)
            assert lines(written) == []

        (line,) = lines(written)
        assert (line["message"], line["fact"]) == ("an event", 1)

    def test_is_silent_about_what_is_undone(self, stored, written):
        with stored() as portal:
            tell(portal, "an event")
            portal._p_jar.transaction_manager.abort()
            portal._p_jar.transaction_manager.begin()

        assert lines(written) == []
