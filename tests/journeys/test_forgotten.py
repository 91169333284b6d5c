"""Forgotten identifiers: asked on a page, found in a mail, mended by its link."""

from playwright.sync_api import Page, expect

from tests.identity.helpers import PASSWORD
from tests.journeys.looking import shoot
from tests.journeys.settling import bill, email_of, settle
from tests.journeys.town import Town, text_of
from tests.journeys.walking import sign_in

NEW_PASSWORD = "orange brouette piano marée"


def test_the_mail_gives_the_code_and_a_link_to_a_new_password(page: Page, town: Town):
    code = settle(town, "30101", bill())
    page.goto(f"{town.url}connexion")
    page.get_by_label("Votre e-mail").fill(email_of(code))
    page.get_by_role("button", name="Demande d’identifiant").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Vérifiez votre messagerie")
    shoot(page, "forgotten-asked")
    link = town.link_mailed(email_of(code), "nouveau-mot-de-passe")
    assert code in text_of(town.mailbox.wait_for_mail(email_of(code)))

    page.goto(link)
    expect(page.get_by_label("Votre code d’accès")).to_have_value(code)
    shoot(page, "forgotten-new-password")
    page.get_by_label("Nouveau mot de passe").fill(NEW_PASSWORD)
    page.get_by_label("Le même, une seconde fois").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Enregistrer mon mot de passe").click()

    expect(page.get_by_role("status")).to_contain_text("Votre mot de passe est enregistré")
    sign_in(page, town, code, PASSWORD)
    expect(page.locator("#erreurs")).to_contain_text("n’est pas le bon")
    sign_in(page, town, code, NEW_PASSWORD)
    expect(page.get_by_role("heading", name="À payer maintenant")).to_be_visible()


def test_the_link_works_once(page: Page, town: Town):
    code = settle(town, "30102", bill())
    page.goto(f"{town.url}identifiants-oublies")
    page.get_by_label("Votre e-mail").fill(email_of(code))
    page.get_by_role("button", name="Demande d’identifiant").click()
    link = town.link_mailed(email_of(code), "nouveau-mot-de-passe")
    page.goto(link)
    page.get_by_label("Nouveau mot de passe").fill(NEW_PASSWORD)
    page.get_by_label("Le même, une seconde fois").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Enregistrer mon mot de passe").click()

    page.goto(link)

    expect(page.get_by_role("heading", level=1)).to_have_text("Ce lien ne marche plus")
    shoot(page, "forgotten-dead-link")
