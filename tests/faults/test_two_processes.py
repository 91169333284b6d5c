"""F13 with real processes: two workers, the bank and its cards, the asking worker; people who click at random."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sevres_familles.domain.money import Money
from sevres_familles.payments.asking import ask_all
from tests import factories
from tests.faults.effort import runs
from tests.faults.families import Browser, inputs
from tests.faults.workers import Workers, running_workers
from tests.identity.helpers import PASSWORD, give_password
from tests.sandbox.running import PATIENCE, wait_until
from tests.sandbox.shop import ACCEPTED, DISORDERED, FORGED, LOST, REFUSED, TWICE

CODES = ["30001", "30002"]
BILLS = {f"2026-{number}": 1000 + number for number in range(1, 9)}
CARDS = (ACCEPTED, DISORDERED, FORGED, LOST, REFUSED, REFUSED, TWICE)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    folder = tmp_path_factory.mktemp("processes")
    with running_workers(folder, f"embedded://{folder}/database", 2, ask_delays="1 2 4 8") as running:
        with running.store() as portal:
            for code in CODES:
                family = factories.store_family(portal, code)
                for name, cents in BILLS.items():
                    number = name.partition("-")[2]
                    factories.store_invoice(family, factories.facts(number, amount=Money(cents)))
                give_password(portal, running.registry, code)
        yield running


def wander(browser: Browser, others: ThreadPoolExecutor, drawing: random.Random) -> None:
    """Choose, confirm (twice at once, at times), go to the bank and back, several times."""
    address = f"familles/{browser.code}/comptes/scolaire/payer"
    for _ in range(runs(6, 24)):
        names = drawing.sample(list(BILLS), drawing.choice((1, 1, 2)))
        review = browser.ask("GET", f"{address}?{'&'.join(f'facture={name}' for name in names)}")
        if review.status_code != 200:
            assert review.status_code == 409, review.text
            continue
        form = [(name, value) for name, value in inputs(review.text).items() if name != "facture"]
        form += [("facture", name) for name in names]
        clicks = [others.submit(browser.ask, "POST", address, form) for _ in range(drawing.choice((1, 2)))]
        for answer in [click.result(PATIENCE) for click in clicks]:
            if "/paiements/" in answer.url:
                assert answer.status_code == 200
                reference = answer.url.split("/paiements/")[1].split("/")[0]
                if drawing.random() < 0.8:
                    browser.pay_at_bank(reference, drawing.choice(CARDS))
                browser.ask("GET", f"paiements/{reference}/retour")
            else:
                assert answer.status_code == 409, answer.text


def look(workers: Workers) -> None:
    """See that no invoice has two attempts under way."""
    with workers.store() as portal:
        under_way = [
            (payment.family_code, share.invoice)
            for payment in portal["paiements"].values()
            if payment.is_open
            for share in payment.shares
        ]
    assert len(under_way) == len(set(under_way))


def test_two_devices_a_family_on_two_workers_and_the_books_are_the_banks(workers: Workers):
    drawing = random.Random(13)
    browsers = [Browser(worker, code, PASSWORD) for worker in workers.workers() for code in CODES]
    is_over = threading.Event()

    def watch() -> int:
        looks = 0
        while not is_over.is_set():
            ask_all(workers.registry)
            look(workers)
            looks += 1
        return looks

    with ThreadPoolExecutor() as pool, ThreadPoolExecutor() as others:
        watching = pool.submit(watch)
        draws = [random.Random(drawing.random()) for _ in browsers]
        wandering = [pool.submit(wander, each, others, draw) for each, draw in zip(browsers, draws, strict=True)]
        try:
            for each in wandering:
                each.result(PATIENCE * 3)
        finally:
            is_over.set()
        looks = watching.result(PATIENCE)

    def is_told() -> bool:
        ask_all(workers.registry)
        with workers.store() as portal:
            paid = {payment.reference for payment in portal["paiements"].values() if payment.is_paid}
        return {each.order_id for each in workers.bank.payments() if each.takes} <= paid

    wait_until(is_told, "what the bank took is known")
    look(workers)
    with workers.store() as portal:
        attempts = len(list(portal["paiements"]))
    print(f"\n{attempts} attempts, {len(workers.bank.payments())} operations of the bank, {looks} looks")
    assert attempts >= 2 * len(CODES)
    assert workers.faults() == ()
