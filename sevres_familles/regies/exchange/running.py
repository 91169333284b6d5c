"""An import from end to end: read, check, compare; then stage and publish, unless there are faults or nothing to do."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from transaction import TransactionManager

from sevres_familles.domain import french
from sevres_familles.regies.exchange.comparing import Absent, Comparison, plan
from sevres_familles.regies.exchange.crossing import cross
from sevres_familles.regies.exchange.faults import Faults
from sevres_familles.regies.exchange.kinds import kinds
from sevres_familles.regies.exchange.loading import Loaded, load
from sevres_familles.regies.exchange.reading import Reader, describe
from sevres_familles.regies.exchange.resources import ImportedFile
from sevres_familles.regies.exchange.staging import Import, clean_up
from sevres_familles.regies.exchange.workspace import Workspace, workspace_in
from sevres_familles.regies.keeping import kept_since
from sevres_familles.web.root import Portal, portal_in

#: Makes a bar of a name and a length, and gives what advances it.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], Any]]]


def no_progress(_name: str, _length: int) -> AbstractContextManager[Callable[[int], Any]]:
    """Show nothing."""
    return nullcontext(lambda _: None)


class Outcome(NamedTuple):
    """What an import did, or would do.

    ``cleaned`` counts the families that a killed run had touched; ``lot`` is none when nothing was written.
    """

    faults: Faults
    files: tuple[Loaded, ...]
    comparison: Comparison
    absent: dict[str, Absent]
    planned: int
    cleaned: int
    lot: int | None


def run(
    registry: Any, paths: Sequence[Path], *, at: datetime, dry_run: bool = False, progress: Progress = no_progress
) -> Outcome:
    """Take files in, all or nothing.

    :param at: the moment, aware, that its ledger entries and its report carry.
    :raises ImportRunning: when another import is under way.
    """
    settings = registry.settings_of_portal
    with workspace_in(settings.var) as workspace, _portal_of(registry) as (tm, portal):
        cleaned = 0 if dry_run else clean_up(tm, portal)
        faults = Faults()
        with tm:
            loaded = _load_all(portal, paths, workspace, faults, progress)
            since = french.local(kept_since(settings, at)).date()
            names = [each.described.name for each in loaded]
            cross(workspace, names, faults)
            comparison = Comparison(portal, workspace, names, faults, since)
            with progress("Contrôle", len(portal["familles"])) as advance:
                absent = plan(comparison, workspace, lambda: advance(1))
        planned = workspace.count("planned")
        lot = None
        if planned and not faults and not dry_run:
            files = tuple(_imported(each) for each in loaded)
            made = Import(tm, portal, workspace, comparison, settings.secret("tokens.key"), at, files)
            with progress("Écriture", planned) as advance:
                lot = made.stage_and_publish(advance)
        return Outcome(faults, loaded, comparison, absent, planned, cleaned, lot)


@contextmanager
def _portal_of(registry: Any) -> Iterator[tuple[TransactionManager, Portal]]:
    tm = TransactionManager(explicit=True)
    connection = registry._zodb_databases[""].open(transaction_manager=tm)
    try:
        with tm:
            portal = portal_in(connection.root(), registry)
        yield tm, portal
    finally:
        connection.close()


def _load_all(
    portal: Portal, paths: Sequence[Path], workspace: Workspace, faults: Faults, progress: Progress
) -> tuple[Loaded, ...]:
    described = [each for path in paths if (each := describe(path, faults)) is not None]
    known = kinds(portal["regies"])
    with progress("Lecture", sum(each.size for each in described)) as advance:
        loaded = tuple(
            load(Reader(each, known, faults), number, workspace, advance) for number, each in enumerate(described)
        )
    workspace.order("families", "children", "invoices", "lines", "balances")
    return loaded


def _imported(loaded: Loaded) -> ImportedFile:
    kind = loaded.kind.name if loaded.kind is not None else ""
    return ImportedFile(loaded.described.name, loaded.described.sha256, kind, loaded.rows)
