"""A family of another town, from that town's home page to its receipt, on its own server and in a real browser."""

import re
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

from playwright.sync_api import Page, Response, expect
from pypdf import PdfReader

from tests.host.words import foreign_words
from tests.identity.helpers import PASSWORD
from tests.journeys.looking import faults_of
from tests.journeys.town import Town, text_of
from tests.journeys.walking import come_back, confirm, leave, type_card
from tests.sandbox.running import wait_until
from tests.sandbox.shop import ACCEPTED

CODE = "VAL-0042"
EMAIL = "aube.lune@exemple.fr"
_GUARDIANS = ("civilité", "nom", "prénom", "portable", "professionnel", "e-mail", "e-mail bureau", "numéro", "voie")
_COLUMNS = (*_GUARDIANS, "complément", "code postal", "ville", "téléphone")


def write_files(folder: Path, today: date) -> list[str]:
    """Write what the town's billing software gives of one family."""
    folder.mkdir()
    heads = ";".join(f"R{number} {column}" for number in (1, 2) for column in _COLUMNS)
    aube = f"Madame;LUNE;Aube;07 99 99 99 01;;{EMAIL};;5;rue du Moulin;;99010;VALOMBRE;"
    issued, due = (f"{today + timedelta(days=days):%d/%m/%Y}" for days in (-10, 20))
    bills = (
        ("restauration", "R-17", "RESTAURANT OCTOBRE", "48,30"),
        ("conservatoire", "C-3", "HARPE TRIMESTRE 1", "112,00"),
    )
    texts = {
        "familles": [f"code famille;{heads}", f"{CODE};{aube};;;;;;;;;;;;;", "TOTAL;1"],
        "factures": [
            "régie;exercice;numéro;code famille;libellé;lot;date d’émission;date d’échéance;période;total;"
            "reste à payer;état;paiements comptés",
            *(
                f"{regie};{today.year};{number};{CODE};{label};LOT;{issued};{due};Octobre;{sum_};{sum_};à payer;"
                for regie, number, label, sum_ in bills
            ),
            "TOTAL;2;160,30;160,30",
        ],
        "lignes": [
            "régie;exercice;numéro;enfant;activité;quantité;prix unitaire;montant;déductible",
            *(
                f"{regie};{today.year};{number};Iris;{label};1;{sum_};{sum_};non"
                for regie, number, label, sum_ in bills
            ),
            "TOTAL;2;160,30",
        ],
    }
    for name, lines in texts.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [str(folder / f"{name}.csv") for name in texts]


def said_by(town: Town, command: str, *arguments: str) -> str:
    done = town.run(command, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert foreign_words(done.stdout) == []
    return done.stdout


def test_leads_from_the_town_s_home_page_to_the_receipt(page: Page, valombre: Town):
    town = valombre
    answers: list[Response] = []
    page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright marks it
    said_by(town, "sevres-import", *write_files(town.folder / "billing", datetime.now(UTC).date()))
    printed = said_by(town, "sevres-password", CODE).split("Mot de passe : ")[1].strip()

    page.goto(f"http://localhost:{town.port}/")
    look(page, "host-01-site")
    page.get_by_role("link", name="Payer la cantine ou le conservatoire").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Bienvenue dans l’espace familles")
    look(page, "host-02-portal")
    page.get_by_role("link", name="Accéder à mon espace personnel").click()
    sign_in_for_the_first_time(page, printed)
    reference = pay(page, town)
    keep_receipt(page, town, reference)

    read_what_was_sent(town, answers)
    assert town.faults() == ()
    assert "aucune anomalie" in said_by(town, "sevres-verify").splitlines()[-1]


def look(page: Page, name: str) -> None:
    """Look at a page as its readers do, and read it for words of another town."""
    assert faults_of(page, name) == []
    read(page)


def read(page: Page) -> None:
    assert foreign_words(page.content()) == []


def sign_in_for_the_first_time(page: Page, printed: str) -> None:
    read(page)
    page.get_by_label("Code d’accès").fill(CODE)
    page.get_by_label("Mot de passe", exact=True).fill(printed)
    page.get_by_role("button", name="Connexion").click()
    page.get_by_label("Nouveau mot de passe").fill(PASSWORD)
    page.get_by_label("Le même, une seconde fois").fill(PASSWORD)
    page.get_by_role("button", name="Enregistrer mon mot de passe").click()
    expect(page.get_by_label("Votre e-mail")).to_have_value(EMAIL)


def pay(page: Page, town: Town) -> str:
    page.goto(f"{town.url}familles/{CODE}/")
    expect(page.get_by_role("heading", name="À payer maintenant")).to_be_visible()
    look(page, "host-04-family")
    page.goto(f"{town.url}familles/{CODE}/comptes/conservatoire/")
    look(page, "host-05-invoices")
    page.get_by_role("checkbox", name="HARPE TRIMESTRE 1").check()
    page.get_by_role("button", name="Payer par carte bancaire").click()
    expect(page.locator("dd.total")).to_have_text("112,00 €")
    read(page)
    reference = confirm(page)
    read(page)
    leave(page)
    type_card(page, ACCEPTED)
    come_back(page, reference)
    return reference


def keep_receipt(page: Page, town: Town, reference: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text("Merci, votre paiement est accepté")
    look(page, "host-08-receipt")
    address = page.get_by_role("link", name="Reçu en PDF").get_attribute("href")
    assert address is not None
    read_paper(page.context.request.get(address).body(), reference, "Régie du conservatoire")
    page.goto(f"{town.url}familles/{CODE}/comptes/conservatoire/")
    expect(page.locator("tbody .state")).to_have_text("payée")
    (mail,) = wait_until(
        lambda: [each for each in town.mailbox.mails(EMAIL) if reference in text_of(each)], "a receipt"
    )
    assert "Famille à Valombre" in mail["From"]
    assert re.search(rf"{re.escape(town.url)}paiements/{reference}/?", text_of(mail))
    (attached,) = mail.iter_attachments()
    read_paper(attached.get_content(), reference, "Régie du conservatoire")


def read_paper(pdf: bytes, *expected: str) -> None:
    read = PdfReader(BytesIO(pdf))
    text = "\n".join([str(read.metadata), *(sheet.extract_text() for sheet in read.pages)])
    assert foreign_words(text) == []
    for each in (*expected, "Commune de Valombre"):
        assert each in text


def read_what_was_sent(town: Town, answers: list[Response]) -> None:
    """Read every header that the town's server sent, and every mail that it wrote."""
    ours = [each for each in answers if f":{town.port}/" in each.url]
    assert len(ours) > 30
    for answer in ours:
        assert foreign_words(str(answer.all_headers())) == [], answer.url
    mails = town.mailbox.mails(EMAIL)
    for mail in mails:
        assert foreign_words(f"{mail.items()}\n{text_of(mail)}") == []
