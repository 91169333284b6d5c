"""Yesterday's backup restored (F17): what the bank took since comes back from it, each operation once.

Real processes all along: the portal and its workers, the bank, the commands.
"""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sevres_familles.domain.payment import PaymentState
from sevres_familles.web.scripts import opened
from tests.journeys.settling import bill, depart, pay_beside, settle
from tests.journeys.town import BIN, Town, running_town
from tests.sandbox.running import ask, wait_until
from tests.sandbox.shop import ACCEPTED, REFUSED, paid

SERVICES = {"portal": "pserve", "asking": "sevres-ask", "mail": "sevres-mail"}


@pytest.fixture
def town(tmp_path: Path, storage: str) -> Iterator[Town]:
    with running_town(tmp_path / "town", storage=storage) as town:
        yield town


@contextmanager
def serving_again(town: Town, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    """Start the services of a town that was stopped, and open its database beside them."""
    monkeypatch.setenv("VAR", str(town.folder / "var"))
    monkeypatch.setenv("PORT", str(town.port))
    processes = {}
    with ExitStack() as stack:
        for name, command in SERVICES.items():
            log = stack.enter_context((town.folder / f"{name}.log").open("ab"))
            processes[name] = subprocess.Popen([str(BIN / command), str(town.ini)], stdout=log, stderr=log)
            stack.callback(processes[name].wait, 30)
            stack.callback(processes[name].terminate)
        registry = stack.enter_context(opened(str(town.ini))).registry
        yield replace(town, processes=processes, registry=registry)


def stop(town: Town) -> None:
    """Stop the services, and close the database in this process."""
    for process in town.processes.values():
        process.terminate()
    for process in town.processes.values():
        process.wait(30)
    for database in town.registry._zodb_databases.values():
        database.close()


def state(town: Town, reference: str) -> PaymentState | None:
    with town.store() as (portal, _):
        payment = portal["paiements"].find(reference)
        return payment and payment.state


def receipts(town: Town) -> dict[str, str]:
    """Give the payment of each receipt, by its number."""
    with town.store() as (portal, _):
        return {receipt.number: each.reference for each in portal["paiements"].values() for receipt in each.receipts}


def said(town: Town, command: str, *arguments: str, status: int = 0) -> str:
    done = town.run(command, *arguments)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def answers(town: Town) -> bool:
    try:
        return ask(f"{town.url}connexion").status == 200
    except OSError:
        return False


def test_what_the_bank_took_since_comes_back_once(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for code in ("30001", "30002", "30003", "30004", "30005"):
        settle(town, code, bill())
    before = pay_beside(town, "30001", ACCEPTED)
    wait_until(lambda: state(town, before) is PaymentState.ACCEPTED, "paid before the backup")
    # Two browsers stand at the bank while the backup is made; for one the asking worker is about to ask.
    asked, form_of_asked = depart(town, "30002")
    told, form_of_told = depart(town, "30003")
    with town.store() as (portal, _):
        portal["paiements"].to_ask[asked] = datetime.now(UTC)
    with town.nobody_asks():
        (tmp_path / "backups").mkdir()
        said(town, "sevres-backup", "--new-key")
        said(town, "sevres-backup", str(tmp_path / "backups"))
        (backup,) = (tmp_path / "backups").iterdir()

        for form in (form_of_asked, form_of_told):
            assert paid(town.bank, form, ACCEPTED).status == 303
        lost = pay_beside(town, "30004", ACCEPTED)
        refused = pay_beside(town, "30005", REFUSED)
        for reference in (asked, told, lost):
            wait_until(lambda each=reference: state(town, each) is PaymentState.ACCEPTED, f"{reference} is paid")
        assert town.faults() == ()
        given = receipts(town)
    stop(town)

    restored = said(town, "sevres-restore", str(backup), "--replace")

    assert "Restauration vérifiée" in restored
    assert "5 comptes, 6 écritures, 3 paiements" in restored
    said(town, "sevres-init")
    with serving_again(town, monkeypatch) as again:
        wait_until(lambda: answers(again), "the portal answers")
        assert state(again, before) is PaymentState.ACCEPTED
        assert state(again, lost) is None
        assert state(again, refused) is None
        wait_until(lambda: state(again, asked) is PaymentState.ACCEPTED, "the bank, asked, told of a payment")
        town.bank.next_day()
        (journal,) = town.bank.journals()

        report = said(again, "sevres-journal", str(journal), status=1)

        assert lost in report
        assert state(again, told) in (PaymentState.ACCEPTED, PaymentState.CAPTURED, PaymentState.RECONCILED)
        assert again.faults() == ()
        verified = said(again, "sevres-verify", "--details")
        assert f"paiement {lost}" in verified
        assert "1 recette à classer" in verified
        # The family may not pay twice what it paid: staff knows, from the list.  Nothing is applied again.
        said(again, "sevres-journal", str(journal), status=1)
        town.bank.notify_again(lost)
        town.bank.notify_again(asked)
        assert again.faults() == ()
        assert "1 recette à classer" in said(again, "sevres-verify")
        # No number that a family has by mail stands on another receipt.
        numbered = receipts(again)
        assert {before, asked, told} <= set(numbered.values())
        assert [numbered[number] for number in numbered.keys() & given.keys()] == [before]
