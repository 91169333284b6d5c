"""An import in a process of its own, which is killed at a commit."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

from transaction import TransactionManager

from sevres_familles.regies.exchange import running, staging
from tests.conftest import NOW, StoppedClock, make_app


class DyingManager(TransactionManager):
    """A transaction manager whose process is killed at one of its commits, just before it or just after."""

    commits_left = 0
    after = False

    def commit(self) -> None:
        DyingManager.commits_left -= 1
        dies = DyingManager.commits_left == 0
        if dies and not self.after:
            os.kill(os.getpid(), signal.SIGKILL)
        super().commit()
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)


def take(ini: dict[str, str], files: Sequence[Path], commits: int, *, after: bool) -> None:
    """Import files in small transactions, and die at the commit of that number, or end well when there are fewer."""
    app = make_app(ini, StoppedClock(NOW))
    DyingManager.commits_left, DyingManager.after = commits, after
    running.TransactionManager = DyingManager
    staging.BATCH_WEIGHT = 5
    outcome = running.run(app.registry, files, at=NOW)
    assert not outcome.faults, outcome.faults.report()
    for database in app.registry._zodb_databases.values():
        database.close()
