"""The steps that journeys share, taken as a visitor takes them: by what is written on the page."""

import re

from playwright.sync_api import Page, expect

from tests.identity.helpers import PASSWORD
from tests.journeys.town import Town

CHALLENGE_CODE = "123456"


def sign_in(page: Page, town: Town, code: str, password: str = PASSWORD) -> None:
    """Go to Connexion, and fill it in."""
    page.goto(f"{town.url}connexion")
    page.get_by_label("Code d’accès").fill(code)
    page.get_by_label("Mot de passe", exact=True).fill(password)
    page.get_by_role("button", name="Connexion").click()


def choose(page: Page, town: Town, code: str) -> None:
    """Open the invoices of the school's régie, choose the first, and go to the review."""
    page.goto(f"{town.url}familles/{code}/comptes/scolaire/")
    box = page.get_by_role("checkbox").first
    box.check()
    page.get_by_role("button", name="Payer par carte bancaire").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Vérifiez avant de payer")


def confirm(page: Page) -> str:
    """Confirm the review, and give the payment's reference."""
    page.get_by_role("button", name="Confirmer").click()
    page.wait_for_url(re.compile("/continuer$"))
    return page.url.split("/")[-2]


def leave(page: Page) -> None:
    """Go on to the bank."""
    page.get_by_role("button", name="Continuer vers la banque").click()
    expect(page.get_by_role("heading", name="Paiement sécurisé par carte")).to_be_visible()


def go_to_the_bank(page: Page, town: Town, code: str) -> str:
    """Choose the first invoice and go to the bank; give the payment's reference."""
    choose(page, town, code)
    reference = confirm(page)
    leave(page)
    return reference


def type_card(page: Page, number: str, email: str = "") -> None:
    """Fill the bank's card page in."""
    page.get_by_label("Saisissez votre numéro de carte").fill(number)
    page.get_by_label("Mois (MM)").fill("12")
    page.get_by_label("Année (AAAA)").fill("2045")
    page.get_by_label("Retournez votre carte").fill("837")
    page.get_by_label("Saisissez votre e-mail").fill(email)
    page.get_by_role("button", name="Valider").click()


def come_back(page: Page, reference: str) -> None:
    """Go from the bank's ticket to the portal."""
    page.get_by_role("link", name="Retour à la boutique").click()
    page.wait_for_url(re.compile(f"/paiements/{reference}/$"))


def state_of(page: Page, town: Town, code: str) -> str:
    """Read the state of a family's only invoice."""
    page.goto(f"{town.url}familles/{code}/comptes/scolaire/")
    return page.locator("tbody .state").inner_text().strip()
