"""F8: the bank tells one thing a hundred times at once, or a hundred things, to four workers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import factories
from tests.faults.workers import Told, Workers, running_workers
from tests.postgres import Postgres
from tests.sandbox.shop import LOST, paid

WORKERS, TIMES = 4, 100


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def workers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Four workers on a storage of each kind, and families that owe one invoice each."""
    folder = tmp_path_factory.mktemp("storm")
    if request.param == "sqlite":
        with running_workers(folder, f"embedded://{folder}/database", WORKERS) as running:
            yield running
    else:
        server: Postgres = request.getfixturevalue("postgres")
        with server.database() as address, running_workers(folder, address, WORKERS) as running:
            yield running


def pay(workers: Workers, *codes: str) -> list[str]:
    """Let families pay at the bank, which tells nobody, and give the references of their payments."""
    with workers.store() as portal:
        for code in codes:
            factories.store_invoice(factories.store_family(portal, code))
    departed = workers.depart(*codes)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda each: paid(workers.bank, each[1], LOST).status, departed))
    assert answers == [303] * len(codes)
    return [reference for reference, _ in departed]


def say(what: str, told: Sequence[Told]) -> None:
    """Tell how long the bank waited."""
    seconds = sorted(each.seconds for each in told)
    print(f"\n{what}: median {seconds[len(seconds) // 2]:.2f} s, longest {seconds[-1]:.2f} s")


def test_one_notification_a_hundred_times_at_once_is_booked_once(workers: Workers):
    (reference,) = pay(workers, "30000")
    body = workers.message(reference)

    told = workers.tell_at_once([body] * TIMES)

    say("one notification a hundred times", told)
    assert Counter(each.status for each in told) == {200: TIMES}
    with workers.store() as portal:
        payment = portal["paiements"][reference]
        assert len(payment.posted) == len(payment.receipts) == len(payment.evidence) == 1
        assert len(payment.account.cash.entries) == 1
    assert workers.faults() == ()


def test_a_hundred_payments_of_one_regie_told_at_once_are_all_booked_and_numbered_without_a_gap(workers: Workers):
    references = pay(workers, *(str(31000 + number) for number in range(TIMES)))
    bodies = [workers.message(reference) for reference in references]
    with workers.store() as portal:
        (before,) = portal["regies"]["scolaire"].receipts.values() or (0,)

    told = workers.tell_at_once(bodies)

    say("a hundred notifications", told)
    assert Counter(each.status for each in told) == {200: TIMES}
    with workers.store() as portal:
        numbers = [receipt.number for each in references for receipt in portal["paiements"][each].receipts]
        assert sorted(int(number.rpartition("-")[2]) for number in numbers) == list(
            range(before + 1, before + TIMES + 1)
        )
    assert workers.faults() == ()
