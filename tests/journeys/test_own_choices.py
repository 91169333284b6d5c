"""What a family decides by itself: invoices on line or on paper, and where it is signed in."""

from playwright.sync_api import Page, expect

from sevres_familles.identity.services import credentials_of
from sevres_familles.regies.events import InvoicesPublished
from tests.identity.helpers import PASSWORD
from tests.journeys.conftest import Visit
from tests.journeys.settling import bill, email_of, family_in, settle
from tests.journeys.town import Town, text_of
from tests.journeys.walking import sign_in
from tests.sandbox.running import wait_until

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1"


def mail_about(town: Town, to: str, subject: str) -> str:
    """Wait for a mail by its subject, and give its words."""
    return wait_until(
        lambda: [text_of(mail) for mail in town.mailbox.mails(to) if subject in mail["Subject"]],
        f"a mail « {subject} » to {to}",
    )[0]


def tick(page: Page) -> None:
    page.get_by_role("checkbox", name="Je ne veux plus recevoir mes factures sur papier").check()


def test_a_family_does_without_paper_is_told_of_its_invoice_and_comes_back(visit: Visit, town: Town):
    code = settle(town, "30901", bill())
    page = visit()
    sign_in(page, town, code)
    page.get_by_role("link", name="Recevoir vos factures").click()
    page.get_by_role("link", name="Confirmer mon adresse e-mail").click()
    page.get_by_role("button", name="Recevoir le lien").click()
    page.goto(town.link_mailed(email_of(code), "confirmer-mon-adresse"))
    page.get_by_role("button", name="Confirmer mon adresse").click()

    page.goto(f"{town.url}familles/{code}/recevoir-vos-factures")
    picture = page.get_by_role("img", name="Image de la facture")
    picture.scroll_into_view_if_needed()
    wait_until(lambda: picture.evaluate("image => image.naturalWidth") > 500, "the picture")
    page.get_by_role("button", name="Recevoir mes factures en ligne").click()
    expect(page.locator("#erreurs")).to_contain_text("Cochez cette case")
    tick(page)
    page.get_by_role("button", name="Recevoir mes factures en ligne").click()
    expect(page.get_by_role("status")).to_contain_text("arriveront en ligne seulement")
    mail_about(town, email_of(code), "Vos factures en ligne seulement")

    with town.store() as (portal, registry):
        family = family_in(portal, code)
        assert family.electronic_only
        invoices = tuple(family["comptes"]["scolaire"])
        registry.notify(InvoicesPublished(portal=portal, invoices=invoices, at=registry.clock.now()))
    mail = mail_about(town, email_of(code), "Votre facture est en ligne")
    link = next(word for word in mail.split() if "/comptes/" in word)

    elsewhere = visit()
    elsewhere.goto(link)
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("Connexion")
    elsewhere.get_by_label("Code d’accès").fill(code)
    elsewhere.get_by_label("Mot de passe", exact=True).fill(PASSWORD)
    elsewhere.get_by_role("button", name="Connexion").click()
    expect(elsewhere.get_by_role("heading", level=1)).to_have_text("FACTURATION CANTINES OCTO")

    page.get_by_role("button", name="Recevoir à nouveau mes factures sur papier").click()
    expect(page.get_by_role("status")).to_contain_text("par la poste")
    mail_about(town, email_of(code), "Vos factures à nouveau sur papier")


def test_a_family_sees_where_it_is_signed_in_and_ends_it_there(visit: Visit, town: Town):
    code = settle(town, "30902")
    desk, phone = visit(), visit(user_agent=IPHONE)
    for page in (desk, phone):
        sign_in(page, town, code)
        page.wait_for_url(f"**/familles/{code}/")
    wait_until(
        lambda: [each for each in town.mailbox.mails(email_of(code)) if "Safari sur un iPhone" in text_of(each)],
        "a mail that tells of the telephone",
    )

    desk.get_by_role("link", name="Vos connexions").click()
    expect(desk.get_by_role("listitem").filter(has_text="cet appareil")).to_have_count(1)
    desk.get_by_role("button", name="Déconnecter Safari sur un iPhone").click()

    expect(desk.get_by_role("status")).to_contain_text("Cet appareil est déconnecté")
    expect(desk.get_by_role("heading", name="Un appareil connecté")).to_be_visible()
    phone.reload()
    expect(phone.get_by_role("heading", level=1)).to_have_text("Connexion")
    desk.reload()
    expect(desk.get_by_role("heading", level=1)).to_have_text("Vos connexions")


def test_who_is_signed_in_has_two_cookies_and_coming_back_is_no_news(visit: Visit, town: Town):
    code = settle(town, "30903")
    page = visit()
    for _ in range(2):
        sign_in(page, town, code)
        page.wait_for_url(f"**/familles/{code}/")
        assert {cookie["name"] for cookie in page.context.cookies()} == {"session", "appareil"}
        page.get_by_role("button", name="Déconnexion").click()
        expect(page.get_by_role("status")).to_contain_text("Vous êtes déconnecté")

    with town.store() as (portal, _):
        outbox = portal.stores["outbox"]
        told = [mail for mail in (*outbox.waiting.values(), *outbox.settled.values()) if mail.kind == "new_device"]
        assert [mail.recipient for mail in told].count(email_of(code)) == 1
        assert credentials_of(portal, code).sessions == {}
