"""A run whose tests leave something ends badly, whoever of its processes left it, and whatever it was in."""

import os
import subprocess
import sys
from contextlib import closing

import ZODB

from sevres_familles.web.storage import resolve_postgresql
from tests.leaks.scanning import scan_folder
from tests.machine import ROOT, lacking
from tests.postgres import binaries, running_postgres

CARD = "4970 1000 0000 0006"


def run(folder, test, *, processes=0):
    """Run tests of one line, in so many processes beside the one that leads them."""
    (folder / "conftest.py").write_text("from tests.leaks.plugin import pytest_sessionfinish\n")
    for name in ("one", "two"):
        (folder / f"test_{name}.py").write_text(f"def test_{name}(tmp_path):\n    {test}\n")
    (folder / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "xdist", "-n", str(processes), f"--basetemp={folder}/left"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_what_any_process_of_a_run_left_fails_it_and_is_told_once(tmp_path):
    ended = run(tmp_path, f"(tmp_path / 'portal.log').write_text('carte={CARD}')", processes=2)

    assert ended.returncode == 1, ended.stdout
    assert ended.stdout.count("what this run leaks") == 1
    assert ended.stdout.count("portal.log: card number: 497010…0006") == 2
    assert "2 passed" in ended.stdout


def test_a_run_that_leaves_nothing_ends_well(tmp_path):
    ended = run(tmp_path, "(tmp_path / 'portal.log').write_text('carte=497010XXXXXX0006')")

    assert ended.returncode == 0, ended.stdout


def test_what_a_database_of_postgresql_held_is_scanned_after_it_is_dropped(tmp_path):
    if binaries() is None:
        lacking("PostgreSQL", "postgresql")
    with (
        running_postgres(kept=tmp_path) as server,
        server.database() as address,
        closing(ZODB.DB(resolve_postgresql(address)[0]())) as database,
        database.transaction() as connection,
    ):
        connection.root()["told"] = f"carte={CARD}"

    (leak,) = scan_folder(tmp_path)
    assert leak.file.endswith(".rows")
    assert leak.what == "card number"
