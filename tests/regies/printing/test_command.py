"""The command ``sevres-print``, as a real process on the embedded storage."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sevres_familles.demo.town import write_town
from sevres_familles.regies.printing.folders import folders_in
from sevres_familles.regies.printing.pressing import FEW
from tests.conftest import NOW
from tests.sandbox.running import wait_until

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
LOT = ("--regie", "scolaire", "--lot", "CANTINES")


def run(var: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / command, "development.ini", *arguments],
        cwd=ROOT,
        env=os.environ | {"VAR": str(var)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of state of a town with more letters to print than one thread does."""
    folder = tmp_path_factory.mktemp("town")
    write_town(folder / "files", families=320, seed=1, today=NOW.date(), invoices_each=1)
    run(folder, "sevres-init")
    run(folder, "sevres-import", *map(str, sorted((folder / "files").glob("*.csv"))))
    return folder


def test_killed_while_it_prints_it_leaves_no_process_and_nothing_that_is_good(town: Path) -> None:
    process = subprocess.Popen(
        [BIN / "sevres-print", "development.ini", *LOT],
        cwd=ROOT,
        env=os.environ | {"VAR": str(town)},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(lambda: any((town / "impressions").glob("*.partiel/factures/*.pdf")), "a letter is typeset")
    process.send_signal(signal.SIGKILL)
    process.wait()

    wait_until(lambda: not is_alive(process.pid), "the presses end with the run")

    assert any((town / "impressions").glob("*.partiel"))
    assert "Aucune impression." in run(town, "sevres-print", "--list").stdout
    assert "Fichiers effacés" in run(town, "sevres-print", "--clean").stdout
    assert [each.name for each in (town / "impressions").iterdir()] == ["lock"]


def test_a_lot_is_printed_listed_and_confirmed(town: Path) -> None:
    printed = run(town, "sevres-print", *LOT)

    assert printed.returncode == 0, printed.stderr
    (name,) = (each.name for each in (town / "impressions").iterdir() if each.is_dir())
    assert len(list((town / "impressions" / name / "factures").iterdir())) >= FEW
    assert f"--confirm {name}" in printed.stdout
    assert "mots de passe provisoires" in printed.stdout
    assert (
        f"{name} : scolaire, CANTINES".replace(" :", "\N{NO-BREAK SPACE}:")
        in run(town, "sevres-print", "--list").stdout
    )

    confirmed = run(town, "sevres-print", "--confirm", name)

    assert f"Impression {name} confirmée" in confirmed.stdout
    assert not (town / "impressions" / name).exists()
    assert "Rien à imprimer." in run(town, "sevres-print", *LOT).stdout


def test_beside_another_command_the_nightly_cleaning_ends_well_and_the_others_are_refused(town: Path) -> None:
    with folders_in(town):
        cleaned = run(town, "sevres-print", "--clean")
        printed = run(town, "sevres-print", *LOT)

    assert (cleaned.returncode, cleaned.stderr) == (0, "")
    assert printed.returncode == 1
    assert "Une autre commande d’impression est en cours" in printed.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        ((), 2, "Dites quoi imprimer"),
        (("--regie", "piscine", "--lot", "CANTINES"), 1, "Aucune régie ne s’appelle piscine"),
        (("--regie", "scolaire", "--lot", "PISCINE"), 1, "Lots"),
        (("--confirm", "2020-01-01-1"), 1, "Aucune impression ne s’appelle 2020-01-01-1"),
        ((*LOT, "--issued", "2026-11-03"), 2, "écrivez un jour comme 03/11/2026"),
    ],
)
def test_what_cannot_be_done_is_told(town: Path, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = run(town, "sevres-print", *arguments)

    assert done.returncode == status
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def is_alive(group: int) -> bool:
    """Tell whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
