"""F14: billing files come in, right and wrong ones, while families read and pay."""

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sevres_familles.payments.asking import ask_all
from tests.faults.effort import runs
from tests.faults.families import Browser, inputs
from tests.faults.workers import Workers, running_workers
from tests.identity.helpers import PASSWORD, give_password
from tests.regies.exchange.making import Folder, family, invoice, line
from tests.sandbox.running import PATIENCE, wait_until
from tests.sandbox.shop import ACCEPTED

#: Families, of five invoices with two lines each: 200,000 lines in the long form.
CODES = [str(30_000 + number) for number in range(runs(100, 20_000))]
#: Those who read, pay, and are looked at.
READER, PAYERS, LOOKED_AT = CODES[0], CODES[1:5], CODES[:: max(1, len(CODES) // 100)]
#: How long an import may take, in seconds.
IMPORTING = runs(60, 900)
LEFT = ("60,00", "50,00", "40,00")
_AMOUNT = re.compile(r"\d+,\d\d")


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Two workers, and families whose first invoices were imported."""
    folder = tmp_path_factory.mktemp("imports")
    with running_workers(folder, f"embedded://{folder}/database", 2, ask_delays="1 2 4 8") as running:
        status, said = take_in(running, files(running, 0))
        assert status == 0, said
        with running.store() as portal:
            for code in (READER, *PAYERS):
                give_password(portal, running.registry, code)
        yield running


def files(workers: Workers, number: int, *, regie: str = "scolaire", regie_of_lines: str = "scolaire") -> list[Path]:
    """Write the files of a month: every invoice changes, and each family has one more."""
    bills = [(f"{code}-{rank}", code) for code in CODES for rank in range(5 + number)]
    folder = workers.folder / f"files-{number}-{regie}-{regie_of_lines}"
    return Folder(folder, None).files(
        familles=map(family, CODES),
        factures=[invoice(name, code, left=LEFT[number], régie=regie) for name, code in bills],
        lignes=[line(name, part, régie=regie_of_lines) for name, _ in bills for part in ("45,00", "15,00")],
    )


def take_in(workers: Workers, month: Sequence[Path]) -> tuple[int, str]:
    """Import files: the status of the command, and what it said."""
    return workers.run("sevres-import", *month, patience=IMPORTING)


def pay(browser: Browser, name: str) -> str:
    """Pay an invoice; a review that no longer holds is read and confirmed again."""
    address = f"familles/{browser.code}/comptes/scolaire/payer"
    while True:
        review = browser.ask("GET", f"{address}?facture={name}")
        assert review.status_code == 200, review.text
        answer = browser.ask("POST", address, inputs(review.text))
        if "/paiements/" in answer.url:
            reference = answer.url.split("/paiements/")[1].split("/")[0]
            browser.pay_at_bank(reference, ACCEPTED)
            return reference
        assert answer.status_code == 409, answer.text


@contextmanager
def again_and_again(act: Callable[[], Any]) -> Iterator[list[Any]]:
    """Do something again and again beside the block, once at least after it; gives what came of it."""
    seen: list[Any] = [act()]
    is_over = threading.Event()

    def work() -> None:
        while not is_over.is_set():
            seen.append(act())

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(work)
        try:
            yield seen
        finally:
            is_over.set()
            working.result(PATIENCE)
    seen.append(act())


def months(workers: Workers) -> set[tuple[int, frozenset[int]]]:
    """Read in one transaction what families are shown: how many invoices, and which figures of billing."""
    with workers.store() as portal:
        accounts = [portal["familles"][code]["comptes"]["scolaire"] for code in LOOKED_AT]
        return {(len(list(each)), frozenset(bill.figures.remaining.cents for bill in each)) for each in accounts}


def books(workers: Workers) -> list[Any]:
    """Read all that an import could have changed of the families looked at."""
    with workers.store() as portal:
        accounts = [portal["familles"][code]["comptes"]["scolaire"] for code in LOOKED_AT]
        return [
            (each.family.packed_record, each.billing.lines, [(bill.__name__, bill.figures) for bill in each])
            for each in accounts
        ]


def settle(workers: Workers) -> None:
    """Let the bank be asked until nothing is under way."""

    def is_settled() -> bool:
        ask_all(workers.registry)
        with workers.store() as portal:
            return not any(payment.is_open for payment in portal["paiements"].values())

    wait_until(is_settled, "every payment has its end")


def test_families_pay_and_read_while_a_month_comes_in_and_see_it_whole_or_not_at_all(workers: Workers):
    month = files(workers, 1)
    browsers = [Browser(each, code, PASSWORD) for each, code in zip(workers.workers() * 2, PAYERS, strict=True)]
    reader = Browser(workers.workers()[1], READER, PASSWORD)
    importing = workers.command("sevres-import", *month)

    def read() -> list[str]:
        page = reader.ask("GET", f"familles/{READER}/comptes/scolaire")
        assert page.status_code == 200
        return _AMOUNT.findall(page.text)

    with (
        ThreadPoolExecutor(len(browsers)) as pool,
        again_and_again(read) as pages,
        again_and_again(lambda: months(workers)) as seen,
    ):
        start = time.perf_counter()
        importing.go()
        paying = [pool.submit(pay_until, importing, each) for each in browsers]
        status = importing.wait(IMPORTING)
        seconds = time.perf_counter() - start
        references = [reference for each in paying for reference in each.result(PATIENCE)]

    print(
        f"\n{len(CODES) * 12:,} lines in {seconds:.0f} s, {len(references)} payments and {len(pages)} pages meanwhile"
    )
    assert status == 0, importing.log.read_text()
    assert {frozenset(each) for each in seen} == {
        frozenset({(5, frozenset({6000}))}),
        frozenset({(6, frozenset({5000}))}),
    }
    assert pages[0] != pages[-1]
    assert all(page in (pages[0], pages[-1]) for page in pages)
    settle(workers)
    with workers.store() as portal:
        assert all(portal["paiements"][reference].is_paid for reference in references)
    assert len(references) >= len(browsers)
    assert workers.faults() == ()


def pay_until(importing: Any, browser: Browser) -> list[str]:
    """Pay invoice after invoice until an import has ended, one at least."""
    references = []
    for rank in range(runs(3, 5)):
        references.append(pay(browser, f"2026-{browser.code}-{rank}"))
        if not importing.is_alive:
            break
    return references


def test_the_same_files_again_change_nothing(workers: Workers):
    month = files(workers, 1)
    take_in(workers, month)
    before = books(workers)

    status, said = take_in(workers, month)

    assert (status, said.splitlines()[-1]) == (0, "Rien ne change.")
    assert books(workers) == before


@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_a_file_that_was_cut_is_refused_whole(workers: Workers, kept: float):
    month = files(workers, 2)
    content = month[1].read_bytes()
    month[1].write_bytes(content[: int(len(content) * kept)])

    _is_refused(workers, month, "factures.csv")


def test_a_file_without_some_of_its_rows_is_refused_whole(workers: Workers):
    month = files(workers, 2)
    rows = month[1].read_text().splitlines(keepends=True)
    month[1].write_text("".join(rows[:1] + rows[3:]))

    _is_refused(workers, month, "factures.csv")


def test_a_regie_that_is_none_of_the_towns_is_refused(workers: Workers):
    _is_refused(workers, files(workers, 2, regie="piscine", regie_of_lines="piscine"), "piscine")


def test_lines_of_another_regie_than_their_invoices_are_refused(workers: Workers):
    _is_refused(workers, files(workers, 2, regie_of_lines="beauregard"), "lignes.csv")


def _is_refused(workers: Workers, month: Sequence[Path], word: str) -> None:
    before = books(workers)

    status, said = take_in(workers, month)

    assert (status, books(workers)) == (1, before), said
    assert word in said
    assert said.splitlines()[-1].endswith("rien n’a été importé."), said
    assert workers.faults() == ()


def test_of_two_imports_at_once_the_second_is_refused_clearly_and_the_first_is_taken_in(workers: Workers):
    month = files(workers, 2)
    before = books(workers)
    first = workers.command("sevres-import", *month)
    first.go()
    wait_until((workers.folder / "var" / "import" / "workspace.sqlite").exists, "the first import has begun")
    os.kill(first.process.pid, signal.SIGSTOP)
    try:
        status, said = take_in(workers, month)
        assert books(workers) == before
    finally:
        os.kill(first.process.pid, signal.SIGCONT)

    assert (status, said.strip()) == (1, "Un autre import est en cours : attendez sa fin, puis recommencez.")
    assert first.wait(IMPORTING) == 0, first.log.read_text()
    assert months(workers) == {(7, frozenset({4000}))}
    assert workers.faults() == ()
