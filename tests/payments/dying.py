"""A purge in a process of its own, which is killed at a commit."""

from datetime import datetime

import transaction

from sevres_familles.payments.retention import purge
from tests.conftest import StoppedClock, make_app
from tests.regies.exchange.dying import DyingManager


def purge_at(ini: dict[str, str], moment: datetime, commits: int, *, after: bool) -> None:
    """Purge, and die at the commit of that number, or end well when there are fewer."""
    app = make_app(ini, StoppedClock(moment))
    DyingManager.commits_left, DyingManager.after = commits, after
    transaction.TransactionManager = DyingManager
    purge(app.registry)
    for database in app.registry._zodb_databases.values():
        database.close()
