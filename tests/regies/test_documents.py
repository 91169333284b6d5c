"""The invoice on paper: what it says, where it says it, who may read it on line."""

import io
from dataclasses import replace
from datetime import date
from typing import Any

import pikepdf
import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader
from pyramid.request import Request, apply_request_extensions
from webtest import TestApp

from sevres_familles.domain.family import Address, FamilyRecord
from sevres_familles.domain.invoice import BillingState, InvoiceFacts, InvoiceLine
from sevres_familles.domain.money import Money
from sevres_familles.regies.documents import invoice_data, invoice_pdf, qr_code
from sevres_familles.web.documents import picture, typeset
from sevres_familles.web.town import InvoiceTerms, Means
from tests.conftest import NOW, Stored
from tests.factories import CODE, DUPOND, facts, store_family, store_invoice
from tests.identity.helpers import give_password, sign_in
from tests.web.test_documents import elements, marked, opened, shown, spoken, words

DUPOND_AT_HOME = ["DUPOND Pierre", "12 Grande Rue", "92310 SÈVRES"]
NBSP = "\N{NO-BREAK SPACE}"
PASSWORD = "K7MP-Q3XA-TRWD-9HF4"
ADDRESS = f"/familles/{CODE}/comptes/scolaire/2026-9161"


def of_lines(count: int, **options: Any) -> InvoiceFacts:
    """Make an invoice of as many lines, for 2 children in turn."""
    lines = tuple(
        InvoiceLine(
            ("Léa", "Hugo")[n % 2], "Restauration scolaire", "8", Money(375), Money(3000), deductible=n % 2 == 1
        )
        for n in range(count)
    )
    return facts(amount=Money(3000 * count), **options)._replace(lines=lines)


@pytest.fixture
def request_of(registry: Any) -> Request:
    """A request that no browser made, as commands have."""
    request = Request.blank("/", base_url="http://localhost")
    request.registry, request.context = registry, None
    apply_request_extensions(request)
    return request


def data_of(request: Request, stored: Stored, invoiced: InvoiceFacts | None = None, **options: Any) -> Any:
    """Store an invoice, and say what it shows on paper."""
    with stored() as portal:
        request.context = portal
        family = store_family(portal, record=options.pop("record", DUPOND))
        password = options.pop("password", PASSWORD)
        invoice = store_invoice(family, invoiced, **options)
        return invoice_data(request, invoice, invoice.status(request.today), password)


def sheet(data: Any, ppi: float = 127) -> Image.Image:
    """Draw the first sheet: 127 points an inch are 5 a millimetre."""
    return Image.open(io.BytesIO(picture("invoice", data, ppi))).convert("L")


def in_the_window(data: Any) -> tuple[float, float, float, float]:
    """Give where the ink is that a window of the envelope may show, in millimetres: left, top, right, bottom."""
    paper = sheet(data).point(lambda grey: 255 if grey < 200 else 0)
    ink = paper.crop((90 * 5, 44 * 5, 200 * 5, 90 * 5)).getbbox()
    assert ink is not None
    left, top, right, bottom = ink
    return left / 5 + 90, top / 5 + 44, right / 5 + 90, bottom / 5 + 44


def heights(data: Any) -> list[tuple[str, float]]:
    """Give the pieces of text of the first sheet, each with its distance from the top, in millimetres."""
    found: list[tuple[str, float]] = []
    page = PdfReader(io.BytesIO(typeset("invoice", data))).pages[0]

    def note(text: str, of_page: list[float], of_text: list[float], *_: Any) -> None:
        height = of_page[1] * of_text[4] + of_page[3] * of_text[5] + of_page[5]
        if text.strip():
            found.append((text, 297 - height / 72 * 25.4))

    page.extract_text(visitor_text=note)
    return found


# --- what it says ---


def test_an_invoice_says_what_the_guide_and_the_law_want(request_of: Request, stored: Stored) -> None:
    data = data_of(request_of, stored, of_lines(2))

    text = words(opened(typeset("invoice", data)))

    for said in (
        "Ville de Sèvres",
        "Régie scolaire et périscolaire",
        "Facture n° 9161",
        "DUPOND Pierre",
        "12 Grande Rue",
        "03/11/2026",
        "Dans les écoles et les centres de loisirs de Sèvres.",
        "Léa",
        "Restauration scolaire",
        f"8 × 3,75{NBSP}€",
        f"30,00{NBSP}€",
        f"60,00{NBSP}€",
        "En votre aimable règlement avant le 30/11/2026",
        "CANTINES-9161-26719",
        "à l’ordre du TRESOR PUBLIC",
        "En espèces",
        "Vous pouvez payer en ligne, par Internet",
        "Votre code d’accès est",
        CODE,
        "Votre mot de passe est",
        PASSWORD,
        f"Coupon à joindre à votre règlement à adresser{NBSP}:",
        "Mairie de Sèvres",
        "CCP",
        "Chèque bancaire",
        "tribunal administratif",
        "01 41 14 11 23".replace(" ", NBSP),
    ):
        assert said in text


def test_the_order_of_reading_is_that_of_the_eye(request_of: Request, stored: Stored) -> None:
    text = words(opened(typeset("invoice", data_of(request_of, stored, of_lines(2)))))

    places = [
        text.index(part)
        for part in ("Ville de Sèvres", "Facture n°", "12 Grande Rue", "aimable règlement", "Quantité", "Total",
                     "Comment payer", "désaccord", "payer en ligne", PASSWORD, "Coupon à joindre", "Mairie de Sèvres")
    ]  # fmt: skip

    assert places == sorted(places)


def test_the_family_keeps_the_password_when_it_cuts_the_coupon(request_of: Request, stored: Stored) -> None:
    text = words(opened(typeset("invoice", data_of(request_of, stored))))

    coupon = text[text.index("Coupon à joindre") :]

    assert PASSWORD not in coupon
    assert "CANTINES-9161-26719" in coupon


def test_without_a_provisional_password_the_family_is_told_to_use_its_own(request_of: Request, stored: Stored) -> None:
    text = words(opened(typeset("invoice", data_of(request_of, stored, password=""))))

    assert "Votre mot de passe est celui que vous avez choisi." in text
    assert f"«{NBSP}Identifiants oubliés{NBSP}»" in text
    assert "sert une seule fois" not in text


def test_what_was_paid_already_is_taken_off_what_is_asked_for(request_of: Request, stored: Stored) -> None:
    data = data_of(request_of, stored, of_lines(2), remaining=Money(2000))

    text = words(opened(typeset("invoice", data)))

    assert data["amount"] == f"20,00{NBSP}€"
    assert f"40,00{NBSP}€" in text[text.index("Déjà réglé") : text.index("Reste à payer")]


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"remaining": Money(0)}, "Cette facture est payée."),
        ({"remaining": Money(0), "state": BillingState.CANCELLED}, "Cette facture est annulée."),
        ({"state": BillingState.SENT_TO_TREASURY}, "Cette facture ne se paie plus à la régie."),
        ({"remaining": Money(-500)}, "Un avoir en votre faveur."),
    ],
)
def test_what_is_not_to_be_paid_here_is_not_asked_for(
    request_of: Request, stored: Stored, options: dict[str, Any], verdict: str
) -> None:
    text = words(opened(typeset("invoice", data_of(request_of, stored, **options))))

    assert verdict in text
    assert "Coupon" not in text
    assert "aimable règlement" not in text


def test_a_line_to_deduct_is_told_in_words(request_of: Request, stored: Stored) -> None:
    lines = (
        InvoiceLine("Léa", "Restauration scolaire", "8", Money(375), Money(3000), deductible=False),
        InvoiceLine("Léa", "Absence", "1", Money(-375), Money(-375), deductible=False),
        InvoiceLine("Léa", "Repas non pris", "-2", Money(375), Money(-750), deductible=False),
    )
    invoiced = facts(amount=Money(1875))._replace(lines=lines)

    text = words(opened(typeset("invoice", data_of(request_of, stored, invoiced))))

    assert f"3,75{NBSP}€ à déduire" in text
    assert f"2 × 3,75{NBSP}€" in text
    assert not any(f"-{digit}" in text for digit in "37")


def test_a_credit_note_asks_for_nothing_and_threatens_with_nothing(request_of: Request, stored: Stored) -> None:
    line = InvoiceLine("Anh", "Repas non pris", "-10", Money(375), Money(-3750), deductible=False)
    invoiced = facts(amount=Money(-3750), label="AVOIR CANTINES OCTO")._replace(lines=(line,))

    text = words(opened(typeset("invoice", data_of(request_of, stored, invoiced))))

    assert "Avoir n° 9161" in text
    assert "Un avoir en votre faveur." in text
    assert "Retrouvez cet avoir et vos reçus" in text
    for wrong in ("Facture n°", "Sans règlement", "date limite", "Coupon", "aimable règlement"):
        assert wrong not in text


def test_another_town_says_its_own_terms(
    request_of: Request, stored: Stored, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = InvoiceTerms(
        place="À la piscine.",
        send_to=("Trésorerie d’Ailleurs",),
        means=(Means(words="Par chèque", boxes=("Chèque",)),),
        appeal=("Écrivez au maire.",),
    )
    monkeypatch.setattr(registry, "town", replace(registry.town, terms={"scolaire": terms}))

    text = words(opened(typeset("invoice", data_of(request_of, stored))))

    for said in ("À la piscine.", "Trésorerie d’Ailleurs", "Par chèque, avec le coupon", "Écrivez au maire."):
        assert said in text
    assert not any(word in text for word in ("TRESOR PUBLIC", "CCP", "Cergy", "espèces"))


def test_a_town_that_says_no_terms_yet_still_gives_the_invoice_on_line(
    request_of: Request, stored: Stored, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "town", replace(registry.town, terms={}))

    text = words(opened(typeset("invoice", data_of(request_of, stored, record=FamilyRecord(())))))

    assert "CANTINES-9161-26719" in text
    assert "Coupon" not in text


# --- where it says it ---


@pytest.mark.parametrize(
    "address",
    [
        DUPOND.guardians[0].address,
        Address("12 bis", "Rue du Maréchal de Lattre de Tassigny", "Bât. B, 3e étage gauche", "92310", "SÈVRES"),
        Address(
            "1", "Allée " + "interminable " * 9, "Chez " + "W" * 60, "92310", "SAINT-REMY-EN-BOUZEMONT-SAINT-GENEST"
        ),
    ],
)
def test_the_address_alone_shows_in_the_window_of_a_dl_envelope(
    request_of: Request, stored: Stored, address: Address
) -> None:
    guardians = tuple(guardian._replace(address=address) for guardian in DUPOND.guardians)

    left, top, right, bottom = in_the_window(data_of(request_of, stored, of_lines(6), record=FamilyRecord(guardians)))

    assert left >= 100
    assert right <= 190
    assert top >= 55
    assert bottom <= 79


@pytest.mark.parametrize("address", [["W" * 38] * 6, ["M. DUPOND"] * 8, ["Chez " + "W" * 2000], ["DUPOND"] * 200])
def test_whatever_an_address_is_it_stays_in_the_window_and_stops_no_letter(
    request_of: Request, stored: Stored, address: list[str]
) -> None:
    left, top, right, bottom = in_the_window(data_of(request_of, stored, of_lines(6)) | {"address": address})

    assert left >= 100
    assert right <= 190
    assert top >= 55
    assert bottom <= 79


@pytest.mark.parametrize(
    "invoiced",
    [
        facts("9161", label="FACTURATION DES CANTINES ET DES GARDERIES DE L’ECOLE ELEMENTAIRE " * 3),
        facts("9" * 30, label="FACTURATION DES CANTINES ET DES GARDERIES DE L’ECOLE ELEMENTAIRE"),
        facts("9" * 30, label="FACTURATION " * 25),
    ],
)
def test_however_long_number_and_label_are_nothing_is_hidden_and_the_window_shows_the_address_alone(
    request_of: Request, stored: Stored, invoiced: InvoiceFacts
) -> None:
    data = data_of(request_of, stored, invoiced._replace(period="Du mardi 1er septembre au samedi 31 octobre 2026"))

    pieces = heights(data)

    plate = next(place for place, (text, _) in enumerate(pieces) if "aimable" in text)
    assert max(height for _, height in pieces[:plate]) + 7 < pieces[plate][1]
    left, _, right, _ = in_the_window(data | {"address": DUPOND_AT_HOME})
    assert left >= 100
    assert right <= 190


@pytest.mark.parametrize("lines", [1, 3, 8])
def test_a_usual_invoice_fits_on_one_sheet(request_of: Request, stored: Stored, lines: int) -> None:
    pdf = opened(typeset("invoice", data_of(request_of, stored, of_lines(lines))))

    assert len(pdf.pages) == 1
    assert "Page 1" not in shown(pdf.pages[0])


@pytest.mark.parametrize("lines", [14, 30, 31, 40])
def test_a_long_invoice_goes_on_over_the_sheet(request_of: Request, stored: Stored, lines: int) -> None:
    pdf = opened(typeset("invoice", data_of(request_of, stored, of_lines(lines))))

    sheets = list(map(shown, pdf.pages))

    assert len(sheets) == 2
    assert "Coupon" in sheets[1]
    for number, text in enumerate(sheets, 1):
        assert f"Page {number} sur 2" in text
        assert "CANTINES-9161-26719" in text
        assert ("Restauration" in text) <= ("Quantité" in text)


# --- the code to scan ---


def test_the_code_opens_that_very_invoice_and_never_holds_the_password(request_of: Request, stored: Stored) -> None:
    found = zxingcpp.read_barcode(sheet(data_of(request_of, stored), ppi=150))

    assert found is not None
    assert found.text == f"http://localhost{ADDRESS}/"


def test_the_code_is_read_on_a_poor_print(request_of: Request, stored: Stored) -> None:
    grey = sheet(data_of(request_of, stored), ppi=300).resize((827, 1169)).point(lambda each: 90 + each // 2)

    found = zxingcpp.read_barcode(grey)

    assert found is not None
    assert found.text.endswith(f"{ADDRESS}/")


def test_a_code_is_drawn_without_a_frame() -> None:
    assert qr_code("http://localhost/").startswith("<?xml")


# --- the standard ---


@pytest.mark.parametrize("lines", [3, 40])
def test_an_invoice_is_pdf_ua_1_and_everything_on_it_is_read_or_an_artifact(
    request_of: Request, stored: Stored, lines: int
) -> None:
    pdf = opened(typeset("invoice", data_of(request_of, stored, of_lines(lines))))

    with pdf.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1"
        assert metadata["dc:title"] == "Facture n° 9161"
    assert str(pdf.Root.Lang).startswith("fr")
    assert bool(pdf.Root.MarkInfo.Marked)
    for page in pdf.pages:
        assert None not in marked(page)


def test_headings_headers_of_columns_and_the_picture_are_told(request_of: Request, stored: Stored) -> None:
    pdf = opened(typeset("invoice", data_of(request_of, stored, of_lines(3))))

    said = spoken(pdf)

    assert [tag for tag, _ in said if tag.startswith("H")] == ["H1", "H2", "H2", "H2", "H2"]
    assert [text for tag, text in said if tag == "TH"] == [
        "Enfant",
        "Activité",
        "Quantité × prix unitaire",
        "Montant",
    ]
    (figure,) = elements(pdf, "Figure")
    assert "après connexion" in str(figure.Alt)
    (link,) = (note for note in pdf.pages[0].Annots if note.Subtype == "/Link")
    assert str(link.A.URI) == f"http://localhost{ADDRESS}/"


def test_typst_has_nothing_to_warn_of(request_of: Request, stored: Stored, caplog: pytest.LogCaptureFixture) -> None:
    typeset("invoice", data_of(request_of, stored, of_lines(40)))

    assert caplog.messages == []


def test_what_a_billing_file_wrote_is_never_markup(request_of: Request, stored: Stored) -> None:
    hostile = '#panic("x") \\u{41} $x$ "quoted" *bold* // no'
    line = InvoiceLine(hostile, hostile, "1", Money(6000), Money(6000), deductible=False)

    text = words(opened(typeset("invoice", data_of(request_of, stored, facts(label=hostile)._replace(lines=(line,))))))

    assert text.count(hostile) == 3


# --- on line ---


@pytest.fixture
def family_browser(browser: TestApp, stored: Stored, registry: Any) -> TestApp:
    """The browser of a family that is signed in, and has an invoice."""
    with stored() as portal:
        store_invoice(store_family(portal), of_lines(3))
        store_invoice(store_family(portal, "31415"), facts("9999"))
        give_password(portal, registry)
    sign_in(browser)
    return browser


def test_a_family_reads_its_invoice_without_a_password_in_it(family_browser: TestApp) -> None:
    page = family_browser.get(ADDRESS)

    pdf = page.click("Facture en PDF")

    assert pdf.content_type == "application/pdf"
    assert pdf.headers["Cache-Control"] == "no-store"
    assert 'filename="facture-2026-9161.pdf"' in pdf.headers["Content-Disposition"]
    text = words(opened(pdf.body))
    assert "CANTINES-9161-26719" in text
    assert "celui que vous avez choisi" in text


def test_a_family_sees_a_picture_of_its_invoice(family_browser: TestApp) -> None:
    answer = family_browser.get(f"{ADDRESS}/facture.png")

    assert answer.content_type == "image/png"
    assert answer.headers["Cache-Control"] == "no-store"
    assert Image.open(io.BytesIO(answer.body)).height > 1_000


def test_while_a_payment_is_under_way_the_document_on_line_warns_of_a_second_one(
    family_browser: TestApp, stored: Stored
) -> None:
    with stored() as portal:
        invoice = portal["familles"][CODE]["comptes"]["scolaire"].invoices["2026-9161"]
        invoice.open_payment, invoice.open_since = "P-7KQ4M2XDN", NOW

    text = words(opened(family_browser.get(f"{ADDRESS}/facture.pdf").body))

    assert "Ne payez pas une seconde fois." in text
    assert "Coupon" not in text


@pytest.mark.parametrize("name", ["facture.pdf", "facture.png"])
def test_another_familys_invoice_is_not_there(family_browser: TestApp, name: str) -> None:
    family_browser.get(f"/familles/31415/comptes/scolaire/2026-9999/{name}", status=404)
    family_browser.get(f"/familles/{CODE}/comptes/scolaire/2026-9999/{name}", status=404)


@pytest.mark.parametrize("name", ["facture.pdf", "facture.png"])
def test_signed_out_an_invoice_leads_to_connexion(browser: TestApp, name: str) -> None:
    answer = browser.get(f"{ADDRESS}/{name}", status=303)

    assert "/connexion?retour=" in answer.location


def test_the_same_invoice_gives_the_same_bytes(request_of: Request, stored: Stored) -> None:
    with stored() as portal:
        request_of.context = portal
        invoice = store_invoice(store_family(portal), of_lines(3))
        first = invoice_pdf(request_of, invoice)

        assert invoice_pdf(request_of, invoice) == first


def test_the_document_is_dated_by_its_day_of_issue(request_of: Request, stored: Stored) -> None:
    pdf = pikepdf.open(io.BytesIO(typeset("invoice", data_of(request_of, stored, facts(issued_on=date(2026, 11, 3))))))

    assert str(pdf.docinfo.CreationDate).startswith("D:20261103")
