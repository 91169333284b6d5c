"""From the letter: printed by the command, its code scanned, its password typed, to the very invoice."""

import re
from io import BytesIO
from pathlib import Path

import typst
import zxingcpp
from PIL import Image
from playwright.sync_api import Page, expect
from pypdf import PdfReader

from sevres_familles.domain.references import is_printed_password
from tests.identity.helpers import PASSWORD
from tests.journeys.settling import bill, settle
from tests.journeys.town import Town

#: A sheet that shows the first page of a document, so that a picture of it can be looked at.
_SHEET = '#set page(width: 210mm, height: 297mm, margin: 0pt)\n#image("{name}", width: 100%)'


def scanned(pdf: Path) -> str:
    """Read the code of a letter as a telephone does: from what is seen, not from what the file says."""
    seen = typst.compile(_SHEET.format(name=pdf.name).encode(), root=pdf.parent, format="png", ppi=150)
    assert isinstance(seen, bytes)
    found = zxingcpp.read_barcode(Image.open(BytesIO(seen)))
    assert found is not None
    return found.text


def password_on(pdf: Path) -> str:
    """Read the provisional password of a letter."""
    text = PdfReader(pdf).pages[0].extract_text()
    return next(each for each in re.findall(r"\w{4}(?:-\w{4}){3}", text) if is_printed_password(each))


def printed(town: Town, lot: str) -> tuple[str, Path]:
    """Print the one invoice of a lot: the name of the run, and the file for the printer."""
    done = town.run("sevres-print", "--regie", "scolaire", "--lot", lot)
    assert done.returncode == 0, done.stderr
    said = re.search(r"--confirm (\S+)", done.stdout)
    assert said is not None, done.stdout
    (bound,) = (town.folder / "var" / "impressions" / said[1] / "imprimeur").iterdir()
    copy = town.folder / "letter.pdf"
    copy.write_bytes(bound.read_bytes())
    return said[1], copy


def type_in(page: Page, code: str, password: str) -> None:
    page.get_by_label("Code d’accès").fill(code)
    page.get_by_label("Mot de passe", exact=True).fill(password)
    page.get_by_role("button", name="Connexion").click()


def test_the_code_of_a_letter_and_its_password_lead_to_that_very_invoice(page: Page, town: Town):
    code = settle(
        town, "30951", bill("9174", lot="GARDERIES"), bill("9161", lot="LETTRE", label="CANTINE PAPIER"),
        has_password=False,
    )  # fmt: skip
    run, letter = printed(town, "LETTRE")
    password = password_on(letter)

    page.goto(scanned(letter))
    expect(page.get_by_role("heading", level=1)).to_have_text("Connexion")
    type_in(page, code, password)
    expect(page.locator("#erreurs[role=alert]")).to_be_visible()

    confirmed = town.run("sevres-print", "--confirm", run)
    assert confirmed.returncode == 0, confirmed.stderr
    type_in(page, code, password)
    expect(page.get_by_role("heading", level=1)).to_have_text("Choisissez votre mot de passe")
    page.get_by_label("Nouveau mot de passe").fill(PASSWORD)
    page.get_by_label("Le même, une seconde fois").fill(PASSWORD)
    page.get_by_role("button", name="Enregistrer mon mot de passe").click()
    page.get_by_role("link", name="Plus tard").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("CANTINE PAPIER")
    assert page.url == scanned(letter)
