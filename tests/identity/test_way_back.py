"""From the code of a letter to that very page: nothing to type but the password, at the first sign-in too."""

from typing import Any

import pytest
from webtest import TestApp

from tests.conftest import Stored
from tests.factories import CODE, store_family, store_invoice
from tests.identity.helpers import PASSWORD, give_password, give_printed_password

INVOICE = f"/familles/{CODE}/comptes/scolaire/2026-9161/"
HOST = "http://localhost"


@pytest.fixture(autouse=True)
def _family(stored: Stored) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))


def test_scanned_signed_out_the_invoice_asks_for_the_password_alone(
    browser: TestApp, stored: Stored, registry: Any
) -> None:
    with stored() as portal:
        give_password(portal, registry)

    form = browser.get(INVOICE).follow().forms["connexion"]

    assert form["code"].value == CODE
    form["mdp"] = PASSWORD
    assert form.submit().location == HOST + INVOICE


def test_the_first_sign_in_ends_at_the_invoice(browser: TestApp, stored: Stored, registry: Any) -> None:
    with stored() as portal:
        printed = give_printed_password(portal, registry)
    form = browser.get(INVOICE).follow().forms["connexion"]
    form["mdp"] = printed

    choice = form.submit().follow()
    form = choice.forms["mot-de-passe"]
    form["n1"] = form["n2"] = PASSWORD
    last = form.submit().follow()

    assert last.click("Plus tard").request.path == INVOICE
    asking = last.forms["e-mail"]
    asking["email"] = "famille@courriel.example"
    assert asking.submit().location == HOST + INVOICE


def test_afterwards_the_page_of_the_address_leads_home_as_ever(browser: TestApp, stored: Stored, registry: Any) -> None:
    with stored() as portal:
        printed = give_printed_password(portal, registry)
    form = browser.get(INVOICE).follow().forms["connexion"]
    form["mdp"] = printed
    form = form.submit().follow().forms["mot-de-passe"]
    form["n1"] = form["n2"] = PASSWORD
    form.submit()

    asking = browser.get("/confirmer-mon-e-mail").forms["e-mail"]
    asking["email"] = "famille@courriel.example"

    assert asking.submit().location == f"{HOST}/familles/{CODE}/"


@pytest.mark.parametrize(
    "back",
    ["", "/", "/familles", "/familles/", "/paiements/P-7KQ4M2XDR", "/familles/<b>26719", f"/familles/{'9' * 21}",
     "//evil.example/familles/26719", "/familles/%ff", "/ailleurs/familles/26719", "/familles/-26719",
     "/familles/26%C3%A9", "/familles/%D9%A1%D9%A2"],
)  # fmt: skip
def test_nothing_is_filled_in_for_what_is_no_familys_page(browser: TestApp, back: str) -> None:
    form = browser.get("/connexion", params={"retour": back}).forms["connexion"]

    assert form["code"].value == ""
