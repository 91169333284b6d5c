"""Everything works without JavaScript (requirements A11)."""

from playwright.sync_api import expect

from tests.journeys.conftest import Visit
from tests.journeys.settling import bill, settle
from tests.journeys.town import Town
from tests.journeys.walking import come_back, confirm, go_to_the_bank, leave, sign_in, type_card
from tests.sandbox.running import wait_until
from tests.sandbox.shop import ACCEPTED, LOST


def test_signs_in_reads_pays_and_has_the_receipt(visit: Visit, town: Town):
    code = settle(town, "30201", bill(), bill("9174", 4280, label="GARDERIE DU SOIR OCTO"))
    page = visit(java_script_enabled=False)
    sign_in(page, town, code)
    expect(page.get_by_role("heading", name="À payer maintenant")).to_be_visible()
    page.get_by_role("link", name="Détail de vos coordonnées et paiement").click()
    expect(page.get_by_role("heading", name="Responsable 2")).to_be_visible()
    page.get_by_role("button", name="Accéder aux factures").click()
    for box in page.get_by_role("checkbox").all():
        box.check()
    assert "à l’étape suivante" in page.locator("noscript").inner_text()
    page.get_by_role("button", name="Payer par carte bancaire").click()
    expect(page.locator("dd.total")).to_have_text("102,80 €")

    reference = confirm(page)
    leave(page)
    type_card(page, ACCEPTED)
    come_back(page, reference)

    expect(page.get_by_role("heading", level=1)).to_have_text("Merci, votre paiement est accepté")
    page.get_by_role("link", name="vos paiements", exact=True).click()
    expect(page.get_by_role("row").filter(has_text=reference)).to_contain_text("102,80 €")
    page.get_by_role("button", name="Déconnexion").click()
    expect(page.get_by_role("status")).to_contain_text("Vous êtes déconnecté")
    assert town.faults() == ()


def test_a_page_that_waits_is_reloaded_by_hand(visit: Visit, town: Town):
    code = settle(town, "30202", bill())
    page = visit(java_script_enabled=False)
    sign_in(page, town, code)
    with town.nobody_asks():
        reference = go_to_the_bank(page, town, code)
        type_card(page, LOST)
        come_back(page, reference)
        expect(page.get_by_role("heading", level=1)).to_have_text("Nous attendons la réponse de la banque")
        expect(page.get_by_text("Cette page se met à jour toute seule")).to_be_hidden()

    def is_paid() -> bool:
        page.get_by_role("link", name="Actualiser").click()
        return page.get_by_role("heading", name="Merci, votre paiement est accepté").is_visible()

    wait_until(is_paid, "the receipt")


def test_a_form_with_faults_says_so(visit: Visit, town: Town):
    page = visit(java_script_enabled=False)
    page.goto(f"{town.url}connexion")

    page.get_by_role("button", name="Connexion").click()

    expect(page.get_by_role("alert")).to_contain_text("Tapez votre code d’accès")
    expect(page.get_by_label("Code d’accès")).to_have_attribute("aria-invalid", "true")
