"""The journey of the 2009 guide: from the password printed on the invoice to the receipt."""

import re
from email.message import EmailMessage
from io import BytesIO

from playwright.sync_api import Page, expect
from pypdf import PdfReader

from tests.identity.helpers import PASSWORD
from tests.journeys.looking import shoot
from tests.journeys.settling import bill, email_of, settle
from tests.journeys.town import Town, text_of
from tests.journeys.walking import come_back, confirm, leave, sign_in, type_card
from tests.sandbox.running import wait_until
from tests.sandbox.shop import ACCEPTED

CODE = "26719"


def printed_password(town: Town, code: str) -> str:
    """Issue a printed password by the command, as the town does."""
    issued = town.run("sevres-password", code)
    assert issued.returncode == 0, issued.stderr
    return issued.stdout.split("Mot de passe : ")[1].strip()


def mistyped(printed: str) -> str:
    """Swap a character for another of the alphabet."""
    return printed[:-1] + ("A" if printed[-1] != "A" else "B")


def expect_faults(page: Page, *words: str) -> None:
    """Expect the summary of faults: it has the focus, says what to mend, and is said aloud."""
    summary = page.locator("#erreurs[role=alert]")
    expect(summary).to_be_focused()
    for each in words:
        expect(summary).to_contain_text(each)
    expect(page).to_have_title(re.compile("^Erreur : "))


def test_leads_from_the_printed_password_to_the_receipt(page: Page, town: Town):
    settle(
        town,
        CODE,
        bill("9161"),
        bill("9174", 4280, label="GARDERIE DU SOIR OCTO", lot="GARDERIES", late=True),
        has_password=False,
    )
    printed = printed_password(town, CODE)
    page.goto(town.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Bienvenue dans l’espace familles")
    shoot(page, "journey-01-home")
    page.get_by_role("link", name="Accéder à mon espace personnel").click()

    sign_in(page, town, CODE, mistyped(printed))
    expect_faults(page, "faute de frappe")
    shoot(page, "journey-02-mistyped")
    page.get_by_label("Mot de passe", exact=True).fill(printed)
    page.get_by_role("button", name="Connexion").click()

    choose_password(page)
    confirm_email(page, town)
    reference = pay(page, town)
    keep_receipt(page, town, reference)
    books_are_right(page, town, reference)


def choose_password(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Choisissez votre mot de passe")
    expect(page.locator("[aria-current=step]")).to_contain_text("Votre mot de passe")
    page.get_by_label("Nouveau mot de passe").fill("dupond")
    page.get_by_label("Le même, une seconde fois").fill("dupont")
    page.get_by_role("button", name="Enregistrer mon mot de passe").click()
    expect_faults(page, "Il en faut 12 au moins", "différents")
    shoot(page, "journey-03-weak-password")
    page.get_by_label("Nouveau mot de passe").fill(PASSWORD)
    page.get_by_label("Le même, une seconde fois").fill(PASSWORD)
    page.get_by_role("button", name="Enregistrer mon mot de passe").click()
    expect(page.get_by_role("status").filter(has_text="Votre mot de passe est enregistré")).to_be_visible()


def confirm_email(page: Page, town: Town) -> None:
    expect(page.get_by_label("Votre e-mail")).to_have_value(email_of(CODE))
    shoot(page, "journey-04-email")
    page.get_by_role("button", name="Recevoir le lien de confirmation").click()
    expect(page.get_by_role("status")).to_contain_text(email_of(CODE))
    shoot(page, "journey-05-family-home")
    page.goto(town.link_mailed(email_of(CODE), "confirmer-mon-adresse"))
    shoot(page, "journey-06-email-link")
    page.get_by_role("button", name="Confirmer mon adresse").click()
    expect(page.get_by_role("status")).to_contain_text("est confirmée")


def pay(page: Page, town: Town) -> str:
    page.goto(town.url)
    page.get_by_role("link", name="Accéder à mon espace personnel").click()
    expect(page.get_by_role("heading", name="À payer maintenant")).to_be_visible()
    page.get_by_role("link", name="Détail de vos coordonnées et paiement").click()
    expect(page.get_by_role("heading", name="Responsable 2")).to_be_visible()
    shoot(page, "journey-07-record")
    page.get_by_role("button", name="Accéder aux factures").click()

    total = page.locator("output")
    expect(total).to_have_text("0,00 €")
    page.get_by_role("checkbox", name="FACTURATION CANTINES OCTO").check()
    expect(total).to_have_text("60,00 €")
    page.get_by_role("checkbox", name="GARDERIE DU SOIR OCTO").check()
    expect(total).to_have_text("102,80 €")
    shoot(page, "journey-08-invoices")
    page.get_by_role("button", name="Payer par carte bancaire").click()

    expect(page.locator("dd.total")).to_have_text("102,80 €")
    shoot(page, "journey-09-review")
    reference = confirm(page)
    shoot(page, "journey-10-leave")
    leave(page)
    shoot(page, "journey-11-bank")
    type_card(page, ACCEPTED, email_of(CODE))
    expect(page.get_by_role("heading", name="Votre paiement est accepté")).to_be_visible()
    shoot(page, "journey-12-ticket")
    come_back(page, reference)
    return reference


def keep_receipt(page: Page, town: Town, reference: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Merci, votre paiement est accepté")
    expect(page.get_by_role("region", name="Reçu n°")).to_contain_text("102,80 €")
    shoot(page, "journey-13-receipt")
    address = page.get_by_role("link", name="Reçu en PDF").get_attribute("href")
    assert address is not None
    is_the_receipt(page.context.request.get(address).body(), reference)

    mails = wait_until(lambda: mails_of(town, f"Reçu de paiement|{reference}"), "the portal's receipt and the bank's")
    (attached,) = [part for mail in mails for part in mail.iter_attachments()]
    is_the_receipt(attached.get_content(), reference)


def mails_of(town: Town, words: str) -> list[EmailMessage]:
    """Give the mails with such words, once both are there: the portal's receipt, and the bank's."""
    mails = [mail for mail in town.mailbox.mails(email_of(CODE)) if re.search(words, text_of(mail))]
    return mails if len({mail["From"] for mail in mails}) == 2 else []


def is_the_receipt(pdf: bytes, reference: str) -> None:
    assert pdf.startswith(b"%PDF")
    text = PdfReader(BytesIO(pdf)).pages[0].extract_text().replace("\N{NO-BREAK SPACE}", " ")
    assert "102,80 €" in text
    assert reference in text


def books_are_right(page: Page, town: Town, reference: str) -> None:
    page.get_by_role("link", name="vos paiements", exact=True).click()
    row = page.get_by_role("row").filter(has_text=reference)
    expect(row).to_contain_text("accepté")
    expect(row).to_contain_text("102,80 €")
    shoot(page, "journey-14-payments")
    page.goto(f"{town.url}familles/{CODE}/comptes/scolaire/")
    expect(page.locator("tbody .state")).to_have_text(["payée", "payée"])
    page.goto(f"{town.url}familles/{CODE}/")
    expect(page.get_by_role("heading", name="Rien à payer")).to_be_visible()
    shoot(page, "journey-15-nothing-due")

    assert town.faults() == ()
    verified = town.run("sevres-verify")
    assert verified.returncode == 0, verified.stdout
    assert "aucune anomalie" in verified.stdout.splitlines()[-1]
