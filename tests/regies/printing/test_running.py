"""A print run: which invoices, what files, who may read them, and what it changes, which is nothing."""

import errno
import io
import json
import stat
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from pyramid.request import Request

from sevres_familles.domain.family import Address, Child, FamilyRecord, Guardian
from sevres_familles.domain.invoice import BillingState
from sevres_familles.domain.money import Money
from sevres_familles.domain.references import is_printed_password
from sevres_familles.families.delivery import choose_delivery
from sevres_familles.families.resources import Family
from sevres_familles.identity.services import authenticate, credentials_of
from sevres_familles.regies.printing import running
from sevres_familles.regies.printing.choosing import Asked
from sevres_familles.regies.printing.confirming import abandon, clean, confirm
from sevres_familles.regies.printing.folders import PrintingRunning, folders_in
from sevres_familles.regies.printing.pressing import FEW, sha256_of
from sevres_familles.regies.printing.resources import Printing
from sevres_familles.regies.printing.running import Refused, print_lot
from sevres_familles.web.documents import TypesettingFailed
from tests.conftest import NOW, StoppedClock, Stored
from tests.factories import CODE, GRANDE_RUE, facts, store_family, store_invoice
from tests.identity.helpers import PASSWORD, give_password
from tests.web.test_documents import opened, shown, words

CANTINES = Asked("scolaire", "CANTINES")
Ask = Callable[[], Request]


def files_of(folder: Path) -> list[Path]:
    return sorted((folder / "factures").iterdir())


def password_on(letter: Path) -> str:
    """Read the provisional password of a letter, or nothing."""
    text = words(opened(letter.read_bytes())).splitlines()
    return next((line for line in text if is_printed_password(line)), "")


def go_electronic(portal: Any, registry: Any, family: Family) -> None:
    """Have a family want no paper."""
    give_password(portal, registry, family.code)
    credentials_of(portal, family.code).email = "famille@courriel.example"
    choose_delivery(portal, registry, family, electronic=True, at=NOW)


# --- which invoices ---


def test_the_latest_of_the_lot_are_printed(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        family = store_family(portal)
        store_invoice(family, facts("9000", issued_on=date(2026, 10, 3)))
        store_invoice(family, facts("9161"))
        store_invoice(family, facts("9162", lot="GARDERIES"))
        store_invoice(family, facts("9163"), regie="beauregard")

    printed = print_lot(ask(), CANTINES)

    assert [path.name for path in files_of(printed.folder)] == ["000001_2026-9161.pdf"]
    assert printed.counts == (1, 1, 6000, 1, 0)
    assert printed.chosen.lots == {"CANTINES", "GARDERIES"}


def test_another_day_of_issue_can_be_asked_for(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        family = store_family(portal)
        store_invoice(family, facts("9000", issued_on=date(2026, 10, 3)))
        store_invoice(family, facts("9161"))

    printed = print_lot(ask(), CANTINES._replace(issued_on=date(2026, 10, 3)))

    assert printed.chosen.paper == [(CODE, "2026-9000")]


def test_invoices_of_other_days_that_ask_for_money_and_that_nobody_printed_are_counted(
    ask: Ask, stored: Stored
) -> None:
    september, october = date(2026, 9, 3), date(2026, 10, 3)
    with stored() as portal:
        family = store_family(portal)
        store_invoice(family, facts("8000", issued_on=september))
        store_invoice(family, facts("9000", issued_on=october))
        store_invoice(family, facts("9001", issued_on=october), remaining=Money(0))
        store_invoice(family, facts("9002", issued_on=october), state=BillingState.SENT_TO_TREASURY)
        store_invoice(family, facts("9003", issued_on=october, lot="GARDERIES"))
        store_invoice(family, facts("9161"))
    confirm(ask(), print_lot(ask(), CANTINES._replace(issued_on=september)).name)

    assert print_lot(ask(), CANTINES).chosen.unprinted == {october: 1}


def test_what_is_cancelled_or_sent_to_the_treasury_is_not_printed(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        family = store_family(portal)
        store_invoice(family, facts("9161"), remaining=Money(0), state=BillingState.CANCELLED)
        store_invoice(family, facts("9162"), state=BillingState.SENT_TO_TREASURY)

    printed = print_lot(ask(), CANTINES)

    assert printed.name == ""
    assert printed.chosen.over == 2


def test_one_family_alone_can_be_asked_for(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        for number, code in enumerate((CODE, "31415")):
            store_invoice(store_family(portal, code), facts(str(number)))

    printed = print_lot(ask(), CANTINES._replace(family="31415"))

    assert printed.chosen.paper == [("31415", "2026-1")]


def test_a_family_that_wants_no_paper_gets_none(ask: Ask, stored: Stored, registry: Any) -> None:
    with stored() as portal:
        family = store_family(portal)
        go_electronic(portal, registry, family)
        store_invoice(family)
        store_invoice(store_family(portal, "31415"), facts("9162"))

    printed = print_lot(ask(), CANTINES)

    assert printed.chosen.electronic == [(CODE, "2026-9161")]
    assert [path.name for path in files_of(printed.folder)] == ["000001_2026-9162.pdf"]
    assert printed.counts.electronic == 1


def test_an_invoice_that_waits_in_another_run_is_told(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    first = print_lot(ask(), CANTINES)

    second = print_lot(ask(), CANTINES)

    assert second.chosen.waiting == {first.name: 1}
    assert (first.name, second.name) == ("2026-11-23-1", "2026-11-23-2")


# --- what is in the files ---


def test_letters_of_one_family_carry_one_password(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        family = store_family(portal)
        store_invoice(family, facts("9161"))
        store_invoice(family, facts("9162"))

    printed = print_lot(ask(), CANTINES)

    one, other = map(password_on, files_of(printed.folder))
    assert one
    assert one == other
    assert printed.counts.passwords == 1


def test_a_family_with_its_own_password_gets_no_other(ask: Ask, stored: Stored, registry: Any) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
        give_password(portal, registry)

    printed = print_lot(ask(), CANTINES)

    assert password_on(files_of(printed.folder)[0]) == ""
    assert printed.counts.passwords == 0


def test_letters_are_pdf_ua_1_and_the_printers_file_has_no_tags(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        for number in range(3):
            store_invoice(store_family(portal, f"1000{number}"), facts(str(number)))

    printed = print_lot(ask(), CANTINES)

    for path in files_of(printed.folder):
        with opened(path.read_bytes()).open_metadata() as metadata:
            assert metadata["pdfuaid:part"] == "1"
    (bound,) = (printed.folder / "imprimeur").iterdir()
    pdf = opened(bound.read_bytes())
    assert bound.name == "cantines-001.pdf"
    assert "/StructTreeRoot" not in pdf.Root
    assert "/MarkInfo" not in pdf.Root
    assert not any("/StructParents" in page.obj or "/Annots" in page.obj for page in pdf.pages)
    assert [f"CANTINES-{number}-1000{number}" in shown(pdf.pages[number]) for number in range(3)] == [True] * 3


def test_a_letter_asks_for_what_is_owed_even_while_a_payment_is_under_way(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        store_invoice(store_family(portal)).open_payment = "P-7KQ4M2XDN"

    printed = print_lot(ask(), CANTINES)

    text = words(opened(files_of(printed.folder)[0].read_bytes()))
    assert "En votre aimable règlement avant le 30/11/2026" in text
    assert "Comment payer" in text
    assert "Vous pouvez payer en ligne" in text
    assert "Coupon" in text
    assert "Ne payez pas" not in text
    assert printed.counts.cents == 6000


def test_printers_files_hold_so_many_letters_and_no_more(
    ask: Ask, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BOUND", 2)
    monkeypatch.setattr(running, "_AT_ONCE", 1)
    with stored() as portal:
        for number in range(5):
            store_invoice(store_family(portal, f"1000{number}"), facts(str(number)))

    printed = print_lot(ask(), CANTINES)

    sizes = {path.name: len(opened(path.read_bytes()).pages) for path in (printed.folder / "imprimeur").iterdir()}
    assert sizes == {"cantines-001.pdf": 2, "cantines-002.pdf": 2, "cantines-003.pdf": 1}


def test_on_both_sides_no_letter_stands_on_the_back_of_another(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        for number in range(2):
            store_invoice(store_family(portal, f"1000{number}"), facts(str(number)))

    printed = print_lot(ask(), CANTINES, duplex=True)

    (bound,) = (printed.folder / "imprimeur").iterdir()
    pages = pikepdf.open(io.BytesIO(bound.read_bytes())).pages
    assert len(pages) == 4
    assert [("/Contents" in page.obj and bool(page.Contents.read_bytes())) for page in pages] == [True, False] * 2
    assert printed.counts.pages == 2


def test_the_manifest_agrees_with_the_files(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        for number in range(3):
            store_invoice(store_family(portal, f"1000{number}"), facts(str(number)))

    printed = print_lot(ask(), CANTINES)

    manifest = json.loads((printed.folder / "manifeste.json").read_text())
    files = manifest["imprimeur"] + manifest["factures une à une"]
    assert {each["fichier"] for each in files} == {
        str(path.relative_to(printed.folder)) for path in printed.folder.rglob("*.pdf")
    }
    for each in files:
        assert sha256_of(printed.folder / each["fichier"]) == each["sha256"]
        assert (printed.folder / each["fichier"]).stat().st_size == each["octets"]
    assert (manifest["factures"], manifest["total"], manifest["mots de passe"]) == (3, str(Money(18000)), 3)


def test_nobody_else_reads_the_files(ask: Ask, stored: Stored, impressions: Path) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))

    printed = print_lot(ask(), CANTINES)

    for path in (impressions, printed.folder, *printed.folder.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_many_letters_go_through_processes(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        for number in range(FEW):
            store_invoice(store_family(portal, f"1{number:04d}"), facts(str(number)))

    printed = print_lot(ask(), CANTINES)

    letters = files_of(printed.folder)
    assert printed.counts == (FEW, FEW, 6000 * FEW, FEW, 0)
    assert len({password_on(letter) for letter in letters[:5]}) == 5
    assert [f"CANTINES-{number}-1{number:04d}" in words(opened(letters[number].read_bytes())) for number in (0, 59)]


# --- what the law wants ---


@pytest.mark.parametrize(
    ("record", "lack"),
    [
        (FamilyRecord(()), "le nom de qui doit la payer"),
        (FamilyRecord((Guardian("Madame", "", "", address=GRANDE_RUE),)), "le nom de qui doit la payer"),
        (FamilyRecord((Guardian("Madame", "DUPOND", "Danielle"),)), "l’adresse de qui doit la payer"),
        (
            FamilyRecord(
                (Guardian("Madame", "DUPOND", "Danielle", address=Address("1", "Grande Rue", "", "", "SÈVRES")),)
            ),
            "l’adresse de qui doit la payer",
        ),
    ],
)
def test_an_invoice_to_nobody_is_refused(
    ask: Ask, stored: Stored, impressions: Path, record: FamilyRecord, lack: str
) -> None:
    with stored() as portal:
        store_invoice(store_family(portal, record=record._replace(children=(Child("Léa", None),))))

    with pytest.raises(Refused) as refused:
        print_lot(ask(), CANTINES)

    assert refused.value.faults == [f"Facture 2026-9161, famille {CODE} : il manque {lack}."]
    assert [each.name for each in impressions.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("change", "lack"),
    [
        (lambda each: each._replace(lines=()), "le détail des prestations"),
        (lambda each: each._replace(lines=(each.lines[0]._replace(activity=" "),)), "la nature d’une prestation"),
        (lambda each: each._replace(lines=(each.lines[0]._replace(quantity=""),)), "une quantité"),
        (lambda each: each._replace(total=Money(1)), "un total égal à la somme de ses lignes"),
        (lambda each: each._replace(due_on=date(2026, 11, 2)), "une date limite qui suit son émission"),
    ],
)
def test_an_invoice_that_lacks_what_the_law_wants_is_refused(
    ask: Ask, stored: Stored, change: Callable[[Any], Any], lack: str
) -> None:
    with stored() as portal:
        store_invoice(store_family(portal), change(facts()))

    with pytest.raises(Refused) as refused:
        print_lot(ask(), CANTINES)

    assert refused.value.faults == [f"Facture 2026-9161, famille {CODE} : il manque {lack}."]


@pytest.mark.parametrize("missing", ["place", "send_to", "means", "appeal"])
def test_a_regie_whose_terms_are_not_said_is_refused(
    ask: Ask, stored: Stored, registry: Any, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terms = replace(
        registry.town.terms["scolaire"], **{missing: type(getattr(registry.town.terms["scolaire"], missing))()}
    )
    monkeypatch.setattr(registry, "town", replace(registry.town, terms={**registry.town.terms, "scolaire": terms}))
    with stored() as portal:
        store_invoice(store_family(portal))

    with pytest.raises(Refused) as refused:
        print_lot(ask(), CANTINES)

    (fault,) = refused.value.faults
    assert fault.startswith("Toutes les factures : il manque")
    assert f"({missing})" in fault


def test_an_invoice_that_goes_on_line_alone_needs_no_postal_address(ask: Ask, stored: Stored, registry: Any) -> None:
    with stored() as portal:
        family = store_family(portal, record=FamilyRecord((Guardian("Madame", "DUPOND", "Danielle"),)))
        go_electronic(portal, registry, family)
        store_invoice(family)

    assert print_lot(ask(), CANTINES).chosen.electronic == [(CODE, "2026-9161")]


def test_the_sound_ones_can_be_printed_without_the_faulty_which_are_named_and_wait(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        store_invoice(store_family(portal, record=FamilyRecord(())))
        store_invoice(store_family(portal, "31415"), facts("9162"))

    printed = print_lot(ask(), CANTINES, without_faulty=True)
    confirm(ask(), printed.name)

    assert printed.chosen.paper == [("31415", "2026-9162")]
    assert printed.faults == [f"Facture 2026-9161, famille {CODE} : il manque le nom de qui doit la payer."]
    with pytest.raises(Refused):
        print_lot(ask(), CANTINES)


def test_what_every_invoice_of_a_regie_lacks_cannot_be_left_out(
    ask: Ask, stored: Stored, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "town", replace(registry.town, terms={}))
    with stored() as portal:
        store_invoice(store_family(portal))

    with pytest.raises(Refused):
        print_lot(ask(), CANTINES, without_faulty=True)


def test_progress_is_told_of_what_takes_its_time(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    told: list[tuple[str, int, int]] = []

    def progress(name: str, length: int) -> Any:
        return nullcontext(lambda count: told.append((name, length, count)))

    print_lot(ask(), CANTINES, progress=progress)

    assert told == [("Choix", 1, 1), ("Vérification", 1, 1), ("Impression", 1, 1), ("Reliure", 1, 1)]


def test_a_deadline_that_is_over_is_told(ask: Ask, stored: Stored, clock: StoppedClock) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    clock.advance(days=8)

    assert print_lot(ask(), CANTINES).late == 1


# --- what a run changes: nothing, until it is confirmed ---


def test_a_password_that_was_printed_opens_nothing(ask: Ask, stored: Stored, registry: Any) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))

    letter = files_of(print_lot(ask(), CANTINES).folder)[0]

    with stored() as portal:
        assert authenticate(portal, registry, CODE, password_on(letter), NOW) is None
        assert CODE not in portal.stores["credentials"]


def test_what_is_kept_of_a_run_holds_no_password(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))

    password = password_on(files_of(print_lot(ask(), CANTINES).folder)[0])

    with stored() as portal:
        ((_, run),) = portal.stores["printing"].pending()
        ((names, hashed),) = run.letters.values()
        assert names == ("2026-9161",)
        assert hashed.startswith("$argon2id$")
        assert password.replace("-", "") not in repr(list(run.letters.items()))


def test_a_document_that_cannot_be_typeset_leaves_nothing(
    ask: Ask, stored: Stored, impressions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    monkeypatch.setattr("sevres_familles.regies.documents.qr_code", lambda _: "no picture")

    with pytest.raises(TypesettingFailed, match="2026-9161"):
        print_lot(ask(), CANTINES)

    assert [each.name for each in impressions.iterdir()] == ["lock"]
    with stored() as portal:
        assert not portal.stores["printing"].pending()


def test_a_run_that_cannot_be_written_down_leaves_no_password_on_the_disk(
    ask: Ask, stored: Stored, monkeypatch: pytest.MonkeyPatch, impressions: Path
) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Printing, "add", refuse)

    with pytest.raises(OSError, match="No space"):
        print_lot(ask(), CANTINES)

    assert [each.name for each in impressions.iterdir()] == ["lock"]


def test_two_commands_do_not_print_at_once(ask: Ask, stored: Stored, registry: Any) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))

    with folders_in(registry.settings_of_portal.var), pytest.raises(PrintingRunning):
        print_lot(ask(), CANTINES)


# --- the files go ---


def test_files_of_a_week_ago_go_with_the_next_run(ask: Ask, stored: Stored, clock: StoppedClock) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    first = print_lot(ask(), CANTINES)
    clock.advance(days=7, minutes=1)

    second = print_lot(ask(), CANTINES)

    assert not first.folder.exists()
    assert second.folder.exists()


def test_cleaning_takes_what_is_to_go_and_leaves_the_rest(
    ask: Ask, stored: Stored, clock: StoppedClock, impressions: Path
) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    old = print_lot(ask(), CANTINES)
    clock.advance(days=6)
    young = print_lot(ask(), CANTINES)
    (impressions / "2026-11-01-1.partiel").mkdir()
    (impressions / "2026-11-02-1").mkdir()
    clock.advance(days=2)

    gone, forgotten = clean(ask())

    assert gone == ["2026-11-01-1", "2026-11-02-1", old.name]
    assert forgotten == []
    assert young.folder.exists()


def test_a_run_that_nobody_confirmed_is_forgotten_when_its_passwords_would_be_too_old(
    ask: Ask, stored: Stored, clock: StoppedClock
) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    printed = print_lot(ask(), CANTINES)
    clock.advance(days=46)

    gone, forgotten = clean(ask())

    assert (gone, forgotten) == ([printed.name], [printed.name])


def test_abandoning_a_run_takes_its_files(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    printed = print_lot(ask(), CANTINES)

    abandon(ask(), printed.name)

    assert not printed.folder.exists()
    with stored() as portal:
        assert not portal.stores["printing"].pending()


def test_the_name_of_an_abandoned_run_is_given_to_no_other(ask: Ask, stored: Stored) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    for _ in range(2):
        abandon(ask(), print_lot(ask(), CANTINES).name)

    assert print_lot(ask(), CANTINES).name == "2026-11-23-3"


def test_the_whole_of_a_family_that_signs_in_with_its_own_password_goes_on(
    ask: Ask, stored: Stored, registry: Any
) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
        give_password(portal, registry)

    print_lot(ask(), CANTINES)

    with stored() as portal:
        assert authenticate(portal, registry, CODE, PASSWORD, NOW) is not None
