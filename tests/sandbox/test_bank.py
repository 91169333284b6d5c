"""The bank as a whole: its command, what it keeps and what it never keeps, and hostile visitors."""

import ast
import contextlib
import re
import sqlite3
import threading
from pathlib import Path

import pytest

from sevres_familles.sandbox.bank import cards, command
from tests.sandbox.running import Bank, ask, running_bank, running_mailbox
from tests.sandbox.shop import ACCEPTED, CHALLENGED, REFUSED, UNKNOWN, Shop, opened, paid, typed

STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def test_stands_alone():
    """Neither imports the portal nor its signature code; the portal's side is import-linter's."""
    house = Path(command.__file__).parents[1]
    imported = {
        name
        for file in house.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }

    ours = {name for name in imported if name.startswith("sevres_familles")}
    assert {name for name in ours if not name.startswith("sevres_familles.sandbox")} == set()
    assert not {name for name in imported if name.startswith("eopayment")}


class TestCommand:
    def test_refuses_production(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
        arguments = ["--folder", str(tmp_path), "--key-file", "k", "--rest-password-file", "p", "--mode", "PRODUCTION"]

        with pytest.raises(SystemExit) as refusal:
            command.main(arguments)

        assert refusal.value.code == 2
        assert "only knows TEST" in capsys.readouterr().err

    def test_waits_for_the_key_and_takes_the_white_space_off(self, tmp_path: Path):
        file = tmp_path / "key"
        writer = threading.Timer(0.3, lambda: file.write_text("  1122334455667788\n"))
        writer.start()

        assert command.read_secret(file) == "1122334455667788"

        writer.join()

    def test_gives_up_when_the_key_does_not_come(self, tmp_path: Path):
        (tmp_path / "key").write_text("\n")

        with pytest.raises(TimeoutError):
            command.read_secret(tmp_path / "key", seconds=0.3)

    def test_ends_cleanly_when_told_to(self, tmp_path: Path):
        with running_bank(tmp_path) as bank:
            assert bank.stop() == 0
        assert "Traceback" not in bank.log

    def test_shows_another_merchant_if_told_so(self, tmp_path: Path, shop: Shop):
        more = ["--merchant-name", "Ville d’Ailleurs", "--merchant-address", "1 rue", "--merchant-phone", "01 02"]
        with running_bank(tmp_path, more=more) as bank:
            assert "Ville d’Ailleurs" in ask(opened(bank, shop.form())).text

    def test_keeps_its_secrets_out_of_its_log(self, tmp_path: Path, shop: Shop):
        with running_bank(tmp_path, rest_password="un-mot-de-passe") as bank:
            paid(bank, shop.form(), ACCEPTED)
            bank.order("P-1", password="un-autre")
        assert "1122334455667788" not in bank.log
        assert "mot-de-passe" not in bank.log


class TestMemory:
    def test_keeps_no_card_number_and_no_three_digits_anywhere(self, tmp_path: Path, shop: Shop):
        with (
            running_mailbox(tmp_path / "mailbox") as mailbox,
            running_bank(tmp_path / "bank", smtp=mailbox.smtp) as bank,
        ):
            for number in (ACCEPTED, REFUSED, CHALLENGED, UNKNOWN, "4970 1000 0000 0007"):
                paid(bank, shop.form(), number, chiffres="837", courriel="recu@exemple.fr")
            mailbox.wait_for_mail("recu@exemple.fr")
            everything = written_under(tmp_path)

        plain = re.sub(rb"[ .\-]", b"", everything)
        assert b"497010XXXXXX0006" in everything
        for number in (ACCEPTED, REFUSED, CHALLENGED, UNKNOWN):
            assert number.replace(" ", "").encode() not in plain
        assert b"chiffres" not in everything
        assert not re.search(rb'"(cvv|chiffres|numero)"', everything)

    def test_forgets_the_payer_s_address_with_the_end_of_the_page(self, tmp_path: Path, shop: Shop):
        with running_bank(tmp_path) as bank:
            challenge = paid(bank, shop.form(), CHALLENGED, courriel="recu@exemple.fr").location
            ask(challenge, "POST", {"code": "123456"})

            with contextlib.closing(sqlite3.connect(tmp_path / "bank.sqlite")) as database:
                told = "".join(database.iterdump())

        assert "recu@exemple.fr" not in told

    def test_survives_a_restart(self, tmp_path: Path, shop: Shop):
        form = shop.form()
        with running_bank(tmp_path) as bank:
            address = opened(bank, form)

        with running_bank(tmp_path, port=bank.port) as bank:
            ask(address, "POST", typed(ACCEPTED))

            assert bank.payment(form["vads_order_id"]).status == "AUTHORISED"

    def test_opens_one_page_a_transaction_however_many_ask(self, bank: Bank, shop: Shop):
        form = shop.form()
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(ask(bank.form_url, "POST", form).status)) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(statuses) == [303, 400, 400, 400, 400, 400]


class TestPages:
    def test_shows_what_the_page_of_2009_showed(self, bank: Bank, shop: Shop):
        page = ask(opened(bank, shop.form(vads_amount="560"))).text

        for word in (
            "Commune de démonstration",
            "Mairie, 1 place de la Mairie, 99999 DÉMONSTRATION",
            "01 99 00 00 00",
            "Référence",
            "5,60\N{NO-BREAK SPACE}€",
            "Carte Visa ou Mastercard",
            "Numéro de carte crypté",
            "Paiement comptant",
            "Saisissez votre numéro de carte",
            "Sa date d’expiration",
            "Retournez votre carte et saisissez les 3 derniers chiffres de l’espace signature",
            "+ d’info",
            "Saisissez votre e-mail pour recevoir un reçu (facultatif)",
            "Valider",
            "article 313-1 du code pénal",
            "375\N{NO-BREAK SPACE}000\N{NO-BREAK SPACE}€",
        ):
            assert word in page.replace("&nbsp;", "\N{NO-BREAK SPACE}"), word

    def test_warns_on_every_page(self, bank: Bank, shop: Shop):
        address = opened(bank, shop.form())
        for page in (ask(bank.url), ask(address), ask(bank.merchant_url), ask(f"{bank.url}/rien")):
            assert "aucun paiement réel, n’entrez jamais une vraie carte" in page.text

    def test_lists_its_cards(self, bank: Bank):
        page = ask(bank.url).text

        for scenario in cards.SCENARIOS:
            assert scenario.grouped in page
            assert cards.passes_luhn(scenario.number)

    def test_says_how_it_is(self, bank: Bank):
        assert ask(f"{bank.url}/sante").text == '{"status": "ok", "mode": "TEST"}'

    def test_is_found_by_nearly_its_address(self, bank: Bank):
        assert ask(f"{bank.url}/").location == bank.url
        assert ask(f"http://127.0.0.1:{bank.port}/").location == bank.url


class TestHostileVisitors:
    def test_meet_a_strict_policy(self, bank: Bank, shop: Shop):
        address = opened(bank, shop.form())

        for page in (ask(bank.url), ask(bank.merchant_url), ask(f"{bank.url}/rien"), ask(f"{bank.url}/sante")):
            assert page.headers["Content-Security-Policy"] == STRICT
            assert page.headers["X-Content-Type-Options"] == "nosniff"
            assert page.headers["Cache-Control"] == "no-store"
        assert ask(address).headers["Content-Security-Policy"] == STRICT.replace(
            "form-action 'self'", f"form-action 'self' {shop.url}"
        )

    def test_find_no_inline_style_or_script(self, bank: Bank, shop: Shop):
        ticket = ask(paid(bank, shop.form(), ACCEPTED).location)
        for page in (ask(bank.url), ask(opened(bank, shop.form())), ticket, ask(bank.merchant_url)):
            assert not re.search(r"<script|<style| style=| on\w+=", page.text)

    def test_have_their_tags_escaped(self, bank: Bank, shop: Shop):
        evil = '"><script>alert(1)</script>'
        form = shop.form(vads_cust_name=evil, vads_ext_info_a=evil, vads_return_mode="POST")

        refused = ask(bank.form_url, "POST", shop.form(vads_order_id=evil))
        faulty = ask(opened(bank, shop.form()), "POST", typed(evil, mois=evil, annee=evil, courriel=evil))
        ticket = ask(paid(bank, form, ACCEPTED).location)

        for page in (refused, faulty, ticket):
            assert "<script" not in page.text
        assert "&lt;script" in ticket.text

    @pytest.mark.parametrize("size", [33_000, 200_000])
    def test_send_no_more_than_32_kilobytes(self, bank: Bank, size: int):
        assert ask(bank.form_url, "POST", b"a=" + b"b" * size).status == 413

    @pytest.mark.parametrize(
        ("method", "place"),
        [
            ("GET", "/vads-payment/"),
            ("PUT", "/vads-payment/"),
            ("GET", "/api-payment/V4/Order/Get"),
            ("POST", "/commercant"),
            ("DELETE", "/sante"),
            ("GET", "/paiements/x/annuler"),
        ],
    )
    def test_ask_in_vain_in_the_wrong_way(self, bank: Bank, method: str, place: str):
        assert ask(bank.url + place, method).status == 405

    @pytest.mark.parametrize(
        "place",
        ["/rien", "/paiements/x", "/paiements/../x", "/paiements/x/ticket", "/static/../app.py", "/static/%2e%2e/x"],
    )
    def test_find_nothing_elsewhere(self, bank: Bank, place: str):
        assert ask(bank.url + place).status in {400, 404}

    @pytest.mark.parametrize("place", ["/paiements/%ff", "/commercant?a=%ff", "/paiements/x?%ff"])
    def test_break_nothing_with_bytes_that_are_no_text(self, bank: Bank, place: str):
        assert ask(bank.url + place).status < 500

    @pytest.mark.parametrize("host", ["exemple.fr", "exemple.fr:6544", "127.0.0.1.exemple.fr", ""])
    def test_cannot_give_this_machine_another_name(self, bank: Bank, host: str):
        assert ask(bank.merchant_url, headers={"Host": host}).status in {400, 403}


def written_under(folder: Path) -> bytes:
    return b"\n".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())
