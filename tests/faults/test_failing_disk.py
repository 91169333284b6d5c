"""F6: the disk fails to sync: the process ends, the log says so, and nothing that the bank was answered is lost."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from http.client import HTTPException

import pytest

from tests import factories
from tests.faults.killing import Running, traced
from tests.faults.workers import Workers, running_workers
from tests.sandbox.running import ask, wait_until
from tests.sandbox.shop import LOST, paid

_SYNCS = "fsync,fdatasync"
_SAID = "CRITICAL sevres_familles.web.storage The disk failed to sync the database"


def failing_syncs(running: Running) -> AbstractContextManager[None]:
    """Have every sync of a process fail within the block, as of a disk that is dying."""
    return traced(running, "-o", os.devnull, "-e", f"trace={_SYNCS}", "-e", f"inject={_SYNCS}:error=EIO")


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Two workers on SQLite, and a payment that the bank took and nobody told."""
    folder = tmp_path_factory.mktemp("failing")
    with running_workers(folder, f"embedded://{folder}/database", 2) as running:
        yield running


def test_a_worker_whose_sync_fails_ends_and_what_it_was_told_is_booked_by_another(workers: Workers):
    with workers.store() as portal:
        factories.store_invoice(factories.store_family(portal, "30000"))
    ((reference, form),) = workers.depart("30000")
    assert paid(workers.bank, form, LOST).status == 303
    address = f"{workers.addresses[0]}/paiements/notifications/systempay"
    told = workers.message(reference), {"Content-Type": "application/x-www-form-urlencoded"}

    with failing_syncs(workers.processes[0]):
        with pytest.raises((HTTPException, OSError)):
            ask(address, "POST", *told)
        wait_until(lambda: not workers.processes[0].is_alive, "the worker has ended")

    assert _SAID in workers.processes[0].log.read_text()
    assert ask(address.replace(str(workers.ports[0]), str(workers.ports[1])), "POST", *told).status == 200
    with workers.store() as portal:
        assert len(portal["paiements"][reference].receipts) == 1
    assert workers.faults() == ()


def test_an_asking_worker_whose_sync_fails_ends(workers: Workers):
    with workers.store() as portal:
        factories.store_invoice(factories.store_family(portal, "30001"))
    ((reference, form),) = workers.depart("30001")
    assert paid(workers.bank, form, LOST).status == 303
    asking = workers.command("sevres-ask")

    with failing_syncs(asking):
        asking.go()
        assert asking.wait() != 0

    assert _SAID in asking.log.read_text()
    assert workers.run("sevres-ask", "--once")[0] == 0
    with workers.store() as portal:
        assert len(portal["paiements"][reference].receipts) == 1
    assert workers.faults() == ()
