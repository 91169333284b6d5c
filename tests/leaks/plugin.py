"""The last step of a run: what the tests left, logs and databases, is scanned, and a leak fails the run.

Canaries are laid first, in every place where a leak could hide: a scanner that does not see them all fails the run too.
"""

import base64
import pickle
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.leaks.known import SECRETS
from tests.leaks.scanning import scan_folder
from tests.postgres import write_rows

CANARIES = "canaries"
_CARD, _PASSWORD = "4970 1000 0000 0006", SECRETS[0]
_KEY = "c4" * 32
#: Where each canary is laid, and as what it must be seen.
EXPECTED = {
    ("portal.log", "card number"),
    ("portal.log", "secret (plain)"),
    ("workers.log", "secret (quoted)"),
    ("deleted.sqlite", "card number"),
    ("long.sqlite", "secret (plain)"),
    ("pickled.sqlite", "secret (Base64, shifted once)"),
    ("postgresql/essai.rows", "card number"),
    ("0001.eml", "private key"),
    ("var/key-told.log", "secret (plain)"),
}


def lay_canaries(folder: Path) -> None:
    """Write what must be seen, where it could be written by mistake."""
    (folder / "var" / "secrets").mkdir(parents=True)
    (folder / "var" / "secrets" / "session.key").write_text(f"{_KEY}\n")
    (folder / "var" / "key-told.log").write_text(f"DEBUG session key {_KEY}\n")
    (folder / "portal.log").write_text(f"POST carte={_CARD}\nmot de passe {_PASSWORD} refusé\n")
    (folder / "workers.log").write_text(f"body=mdp={_PASSWORD.replace(' ', '+')}&code=1\n")
    (folder / "0001.eml").write_text("-----BEGIN EC PRIVATE KEY-----\n")
    (folder / "postgresql").mkdir()
    write_rows(folder / "postgresql" / "essai.rows", [pickle.dumps({"told": f"carte {_CARD}"}, protocol=3)])
    _write(folder / "deleted.sqlite", _CARD.replace(" ", ""), then="DELETE FROM state")
    # Longer than a page: what lies across two of them is whole in the value alone.
    _write(folder / "long.sqlite", *("x" * length + _PASSWORD for length in range(4040, 4096)))
    _write(folder / "pickled.sqlite", base64.b64encode(b"\x80\x03" + _PASSWORD.encode()))


def _write(path: Path, *values: object, then: str = "") -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("PRAGMA secure_delete = OFF")
        database.execute("CREATE TABLE state (value)")
        database.executemany("INSERT INTO state VALUES (?)", [(each,) for each in values])
        database.execute(then)


def judge(folder: Path) -> list[str]:
    """Lay the canaries, scan, take them away, and tell what is wrong: leaks, and canaries that nobody saw."""
    canaries = folder / CANARIES
    lay_canaries(canaries)
    try:
        leaks = scan_folder(folder, SECRETS)
    finally:
        shutil.rmtree(canaries, ignore_errors=True)
    seen = {(leak.file.removeprefix(f"{CANARIES}/"), leak.what) for leak in leaks if leak.file.startswith(CANARIES)}
    blind = [f"the scanner does not see: {what} in {file}" for file, what in sorted(EXPECTED - seen)]
    return [*blind, *(str(leak) for leak in leaks if not leak.file.startswith(CANARIES))]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Scan what the run left, once all of it is there."""
    if hasattr(session.config, "workerinput"):
        return  # one of several processes: the one that leads them scans
    faults = judge(session.config._tmp_path_factory.getbasetemp())
    if faults:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        reporter.section("what this run leaks", red=True)
        for fault in faults:
            reporter.write_line(fault, red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
