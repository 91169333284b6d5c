"""Documents: valid PDF/UA-1, the same bytes for the same data, and no text that breaks them.

Typst refuses to write what its own validation finds not to be PDF/UA-1, and the tests below
look at the structure of what it wrote. veraPDF is not available to them: that second
opinion on the standard is still to be had.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typst import Compiler

from sevres_familles.web import documents
from sevres_familles.web.documents import Press, ReceiptData, TypesettingFailed, typeset

NBSP = "\N{NO-BREAK SPACE}"
EMBLEM = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="3"/></svg>'
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def receipt(lines: int = 1) -> ReceiptData:
    """Make the data of a receipt, each of its lines with an amount of its own."""
    return {
        "town": {
            "name": "Ville de Sèvres",
            "address": ["54 Grande Rue", "92310 Sèvres"],
            "emblem": EMBLEM,
        },
        "regie": {
            "name": "Régie scolaire et périscolaire",
            "contact": ["Service des Affaires Scolaires", "01 41 14 11 23"],
        },
        "number": "2026-SCO-000001",
        "title": "Reçu de paiement",
        "issued_on": "2026-11-23",
        "paid_at": "lundi 23 novembre 2026 à 15:39",
        "payer": ["DUPOND Pierre", "DUPOND Danielle", "12 Grande Rue", "92310 SÈVRES"],
        "family_code": "26719",
        "lines": [
            {
                "label": "FACTURATION CANTINES OCTO",
                "reference": f"CANTINES-{9161 + n}-26719",
                "number": f"2026-{9161 + n}",
                "amount": f"{60 + n},00{NBSP}€",
            }
            for n in range(lines)
        ],
        "total": f"1{NBSP}234,56{NBSP}€",
        "means": "Carte bancaire",
        "payment_reference": "P-7KQ4M2XDN",
        "bank_reference": "66817-B4T9",
        "notes": ["Gardez ce reçu."],
    }


def opened(pdf: bytes) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(pdf))


# --- reading a tagged PDF as a screen reader does ---


def characters(font: pikepdf.Object) -> dict[int, str]:
    """Return the text of each two-byte code of a font, from its ToUnicode map."""
    table = font.ToUnicode.read_bytes().decode("ascii")
    found = {}
    for block in re.findall(r"beginbfchar(.*?)endbfchar", table, re.S):
        for code, text in re.findall(r"<(\w+)>\s*<(\w+)>", block):
            found[int(code, 16)] = bytes.fromhex(text).decode("utf-16-be")
    for block in re.findall(r"beginbfrange(.*?)endbfrange", table, re.S):
        for first, last, text in re.findall(r"<(\w+)>\s*<(\w+)>\s*<(\w+)>", block):
            start = bytes.fromhex(text).decode("utf-16-be")
            for step in range(int(last, 16) - int(first, 16) + 1):
                found[int(first, 16) + step] = start[:-1] + chr(ord(start[-1]) + step)
    return found


def marked(page: pikepdf.Page) -> dict[int | str | None, str]:
    """Return what a page shows by its mark: text by MCID, under "artifact", or under None.

    Text that no mark holds is under None, and so is ``¤`` for any painting without a mark.
    """
    fonts: dict[str, dict[int, str]] = {}
    found: dict[int | str | None, str] = {}
    marks: list[int | str | None] = []
    font = ""
    for instruction in pikepdf.parse_content_stream(page):
        operands: Any = instruction.operands
        where = next((mark for mark in reversed(marks) if mark is not None), None)
        match str(instruction.operator):
            case "BMC" | "BDC":
                holds = operands[1] if len(operands) > 1 else {}
                if str(operands[0]) == "/Artifact":
                    marks.append("artifact")
                elif isinstance(holds, pikepdf.Object) and "/MCID" in holds:
                    marks.append(int(holds.MCID))
                else:
                    marks.append(None)
            case "EMC":
                marks.pop()
            case "Tf":
                font = str(operands[0])
                if font not in fonts:
                    fonts[font] = characters(page.resources.Font[font])
            case "Tj" | "TJ":
                parts = operands[0] if str(instruction.operator) == "TJ" else [operands[0]]
                for codes in (bytes(part) for part in parts if isinstance(part, pikepdf.String)):
                    pairs = (codes[n : n + 2] for n in range(0, len(codes), 2))
                    text = "".join(fonts[font][int.from_bytes(pair)] for pair in pairs)
                    found[where] = found.get(where, "") + text
            case "f" | "F" | "f*" | "B" | "B*" | "b" | "b*" | "S" | "s" | "Do" | "sh":
                if where is None:
                    found[None] = found.get(None, "") + "¤"
    return found


def shown(page: pikepdf.Page) -> str:
    """Return all the text of a page, artifacts included."""
    return "".join(marked(page).values())


def kids(element: pikepdf.Object) -> list[Any]:
    """Return what is directly below a structure element: elements, marks, MCIDs."""
    below: Any = element.get("/K", [])
    return list(below) if isinstance(below, (pikepdf.Array, list)) else [below]


def spoken(pdf: pikepdf.Pdf) -> list[tuple[str, str]]:
    """Return (tag, own text) of every element, in the order of the structure tree."""
    pages = {page.obj.objgen: marked(page) for page in pdf.pages}

    def walk(element: pikepdf.Object, page: Any) -> Iterator[tuple[str, str]]:
        page = element.Pg.objgen if "/Pg" in element else page
        own, below = "", []
        for kid in kids(element):
            if isinstance(kid, int):
                own += pages[page].get(kid, "")
            elif "/MCID" in kid:
                own += pages[kid.Pg.objgen if "/Pg" in kid else page].get(int(kid.MCID), "")
            elif "/S" in kid:
                below.append(kid)
        if "/S" in element:
            yield str(element.S)[1:], own
        for kid in below:
            yield from walk(kid, page)

    return list(walk(pdf.Root.StructTreeRoot, None))


def elements(pdf: pikepdf.Pdf, tag: str) -> Iterator[pikepdf.Object]:
    """Find every structure element of a tag."""

    def walk(element: pikepdf.Object) -> Iterator[pikepdf.Object]:
        if element.get("/S") == f"/{tag}":
            yield element
        for kid in kids(element):
            if isinstance(kid, pikepdf.Dictionary):
                yield from walk(kid)

    yield from walk(pdf.Root.StructTreeRoot)


def words(pdf: pikepdf.Pdf) -> str:
    """Return all that is read aloud, in order, a line an element."""
    return "\n".join(text for _, text in spoken(pdf) if text)


# --- the standard ---


def test_a_receipt_says_that_it_is_pdf_ua_1() -> None:
    pdf = opened(typeset("receipt", receipt()))

    with pdf.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1"
    assert bool(pdf.Root.MarkInfo.Marked)
    assert "/StructTreeRoot" in pdf.Root


def test_a_receipt_is_in_french_and_shows_its_title_in_the_window() -> None:
    pdf = opened(typeset("receipt", receipt()))

    with pdf.open_metadata() as metadata:
        assert metadata["dc:title"] == "Reçu de paiement n° 2026-SCO-000001"
    assert str(pdf.Root.Lang).startswith("fr")
    assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)


def test_what_is_not_pdf_ua_1_is_refused(tmp_path: Path) -> None:
    (tmp_path / "untitled.typ").write_text("No title.")

    with pytest.raises(TypesettingFailed, match="PDF/UA-1"):
        Press(tmp_path).pull(b'#include "/untitled.typ"', format="pdf", pdf_standards=["ua-1"])


def test_all_fonts_are_embedded_with_their_text() -> None:
    pdf = opened(typeset("receipt", receipt()))

    fonts = [font for page in pdf.pages for font in page.resources.Font.values()]

    assert fonts
    for font in fonts:
        assert "/FontFile3" in font.DescendantFonts[0].FontDescriptor
        assert "/ToUnicode" in font


@pytest.mark.parametrize("lines", [1, 60])
def test_nothing_is_shown_that_is_neither_read_aloud_nor_an_artifact(lines: int) -> None:
    pdf = opened(typeset("receipt", receipt(lines)))

    for page in pdf.pages:
        assert None not in marked(page)


def test_the_search_for_unmarked_content_finds_it() -> None:
    untagged = Compiler(b"Text #line()").compile(format="pdf", pdf_tags=False)
    assert isinstance(untagged, bytes)
    pdf = opened(untagged)

    assert marked(pdf.pages[0])[None] == "Text¤"


# --- what is read, and in which order ---


def test_one_first_heading_then_second_ones() -> None:
    said = spoken(opened(typeset("receipt", receipt())))

    headings = [(tag, text) for tag, text in said if tag.startswith("H")]

    assert headings == [
        ("H1", "Reçu de paiement"),
        ("H2", "Facture réglée"),
        ("H2", "Bon à savoir"),
        ("H2", "Une question ?"),
    ]


def test_the_order_of_reading_is_that_of_the_eye() -> None:
    text = words(opened(typeset("receipt", receipt())))

    places = [
        text.index(part)
        for part in (
            "Ville de Sèvres",
            "Reçu de paiement",
            "n° 2026-SCO-000001",
            "DUPOND Pierre",
            "Code famille : 26719",
            "Somme reçue",
            "Payée le lundi 23 novembre 2026 à 15:39",
            "Carte bancaire",
            "P-7KQ4M2XDN",
            "66817-B4T9",
            "FACTURATION CANTINES OCTO",
            "CANTINES-9161-26719",
            f"60,00{NBSP}€",
            "Total payé",
            "Gardez ce reçu.",
            "01 41 14 11 23",
        )
    ]

    assert places == sorted(places)


def test_each_column_has_a_header_with_its_scope() -> None:
    pdf = opened(typeset("receipt", receipt(60)))

    headers = list(elements(pdf, "TH"))

    assert [text for tag, text in spoken(pdf) if tag == "TH"] == [
        "Facture",
        "Référence",
        "Numéro",
        "Montant",
    ]
    for header in headers:
        attributes = header.A if isinstance(header.A, pikepdf.Array) else [header.A]
        assert "/Column" in [str(attribute.get("/Scope")) for attribute in attributes]
    assert len(list(elements(pdf, "Table"))) == 1


def test_every_amount_is_read_with_its_no_break_space() -> None:
    data = receipt(15)

    text = words(opened(typeset("receipt", data)))

    for line in data["lines"]:
        assert line["amount"] in text
    assert text.count(data["total"]) == 2


def test_heads_and_feet_of_sheets_are_not_read_aloud() -> None:
    pdf = opened(typeset("receipt", receipt(60)))

    assert "Page 2 sur" not in words(pdf)
    assert "Page 2 sur" in marked(pdf.pages[1])["artifact"]


# --- sheets ---


@pytest.mark.parametrize("lines", [1, 15])
def test_fifteen_invoices_fit_on_one_sheet(lines: int) -> None:
    assert len(opened(typeset("receipt", receipt(lines))).pages) == 1


def test_sixty_invoices_take_several_sheets_and_repeat_the_names_of_columns() -> None:
    pdf = opened(typeset("receipt", receipt(60)))

    assert len(pdf.pages) > 1
    for sheet in map(shown, pdf.pages):
        assert ("CANTINES-" in sheet) == ("Montant" in sheet)


@pytest.mark.parametrize("lines", range(14, 24))
def test_a_total_always_stands_under_the_names_of_columns(lines: int) -> None:
    pdf = opened(typeset("receipt", receipt(lines)))

    totals = [sheet for sheet in map(shown, pdf.pages) if "Total payé" in sheet]

    assert len(totals) == 1
    assert "Montant" in totals[0]


def test_what_is_not_known_is_left_out() -> None:
    data = receipt()
    for key in ("family_code", "payment_reference", "bank_reference", "notes"):
        del data[key]  # type: ignore[misc]
    del data["town"]["emblem"]

    text = words(opened(typeset("receipt", data)))

    assert "Code famille" not in text
    assert "Référence du paiement" not in text
    assert "Bon à savoir" not in text


def test_typst_has_nothing_to_warn_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        typeset("receipt", receipt(60))

    assert caplog.messages == []


# --- the same data, the same bytes ---


def test_the_same_data_gives_the_same_bytes_whatever_came_between() -> None:
    first = typeset("receipt", receipt())
    typeset("receipt", receipt(3))

    assert typeset("receipt", receipt()) == first


def test_a_new_compiler_gives_the_same_bytes() -> None:
    one, other = (Press(documents._press.folder) for _ in range(2))
    source = documents._source("receipt", receipt())

    assert one.pull(source, timestamp=NOW) == other.pull(source, timestamp=NOW)


def test_threads_get_each_their_own_document() -> None:
    orders = [receipt(1 + n % 4) for n in range(24)]
    expected = [typeset("receipt", order) for order in orders]

    with ThreadPoolExecutor(4) as threads:
        typed = list(threads.map(lambda order: typeset("receipt", order), orders))

    assert typed == expected


def test_the_date_is_that_of_the_document_and_not_of_the_clock() -> None:
    pdf = opened(typeset("receipt", receipt()))

    assert str(pdf.docinfo.CreationDate).startswith("D:20261123")


# --- text is never markup ---


@pytest.mark.parametrize(
    "hostile",
    [
        '#panic("run")',
        '#import "/house.typ": *',
        "$x^2$ *bold* _it_ `raw` = title",
        "\\u{41} \\ <label> @ref ~ // comment /* */",
        "\"quotes\" 'and' “these” ] } ) [ { (",
        '{"json": "]}"}',
        "../../etc/passwd",
    ],
)
def test_markup_is_read_as_it_was_written(hostile: str) -> None:
    data = receipt()
    data["lines"][0]["label"] = hostile
    data["payer"][0] = hostile

    text = words(opened(typeset("receipt", data)))

    assert text.count(hostile) == 2


def test_a_very_long_word_stays_inside_its_column() -> None:
    data = receipt()
    data["lines"][0]["label"] = "W" * 300
    data["lines"][0]["reference"] = "R" * 90
    data["payer"][0] = "N" * 120
    data["bank_reference"] = "B" * 120

    text = words(opened(typeset("receipt", data))).replace("\N{ZERO WIDTH SPACE}", "")

    assert "W" * 300 in text
    assert f"60,00{NBSP}€" in text


def test_arabic_greek_and_cyrillic_are_shown() -> None:
    data = receipt()
    data["payer"] = ["Nguyễn Thị Đặng", "Ελένη Ωνάση", "Ольга Щукина", "سلام"]

    text = words(opened(typeset("receipt", data)))

    for name in data["payer"][:3]:
        assert name in text


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("LÉO\x00\x07\x1b", "LÉO"),
        ("LE\N{COMBINING ACUTE ACCENT}O", "LÉO"),
        ("A\N{RIGHT-TO-LEFT OVERRIDE}B\ud800C", "ABC"),
        ("A\r\n\tB", "A   B"),
        ("A😀B漢", "A\ufffdB\ufffd"),
        ("x\N{COMBINING CIRCUMFLEX ACCENT}y", "xy"),
    ],
)
def test_what_no_font_can_draw_is_dropped_or_stood_in_for(written: str, shown: str) -> None:
    data = receipt()
    data["lines"][0]["label"] = written

    assert documents._printable(written) == shown
    assert shown.split(maxsplit=1)[0] in words(opened(typeset("receipt", data)))


def test_everything_said_to_be_drawable_is_drawn() -> None:
    drawable = [chr(code) for code in range(0x20, 0x10000)]
    drawable = [one for one in drawable if not documents._UNDRAWABLE.match(one)]
    data = receipt()
    data["notes"] = [" ".join(drawable[n : n + 50]) for n in range(0, len(drawable), 50)]

    assert typeset("receipt", data).startswith(b"%PDF")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=200))
def test_no_name_costs_a_family_its_receipt(name: str, label: str) -> None:
    data = receipt()
    data["payer"][0] = name
    data["lines"][0]["label"] = label

    assert typeset("receipt", data).startswith(b"%PDF")


# --- refusals ---


@pytest.mark.parametrize("name", ["../receipt", "/receipt", "receipt.typ", ""])
def test_a_template_is_named_and_never_a_path(name: str) -> None:
    with pytest.raises(ValueError, match="not the name"):
        typeset(name, receipt())


def test_a_document_has_a_date() -> None:
    with pytest.raises(KeyError, match="issued_on"):
        typeset("receipt", {"title": "Reçu"})


def test_missing_data_is_told_and_the_next_document_is_well() -> None:
    with pytest.raises(TypesettingFailed, match="title"):
        typeset("receipt", {"issued_on": "2026-11-23"})

    assert typeset("receipt", receipt()).startswith(b"%PDF")
