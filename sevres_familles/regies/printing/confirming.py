"""The confirmation of a run, which hands out what it holds; or its abandonment, which leaves earlier letters alive.

Handing out goes family by family, in small transactions that take each from the run as they do its part: killed at any
moment, the next confirmation goes on where this one stopped, and a second one finds nothing to do.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import islice
from typing import Any, NamedTuple

from BTrees.OOBTree import OOBTree
from pyramid.request import Request
from transaction import TransactionManager

from sevres_familles.identity.services import activate_printed_password, has_younger_letter
from sevres_familles.regies.events import InvoicesPublished
from sevres_familles.regies.printing.choosing import Asked
from sevres_familles.regies.printing.folders import folders_in
from sevres_familles.regies.printing.resources import Confirmed, Printing, PrintRun
from sevres_familles.regies.printing.running import Progress, find_invoice, no_progress, portal_for
from sevres_familles.web.logs import tell
from sevres_familles.web.root import Portal

#: Families of one transaction.
_AT_ONCE = 100
_ATTEMPTS = 10


class UnknownRun(Exception):
    """No run has that name."""


class ConfirmedRun(Exception):
    """The run was confirmed, in part at least: letters of it are alive."""


class Confirmation(NamedTuple):
    """A run that is confirmed: what it printed, and what the confirmation did; an earlier one when ``was_done``."""

    asked: Asked
    done: Confirmed
    was_done: bool


def confirm(request: Request, name: str, progress: Progress = no_progress) -> Confirmation:
    """Confirm that a run was printed: its passwords open the portal from now on, and its files go.

    :raises UnknownRun: when there is none of that name.
    """
    with folders_in(request.portal_settings.var) as folders, portal_for(request) as (manager, portal):
        with manager:
            run = _find(portal, name)
            was_done = not run.is_pending
            length = len(run.letters) + len(run.online)
        if not was_done:
            with progress("Confirmation", length) as advance:
                _Handing(request, manager, portal, name).hand_out(advance)
        folders.remove(name)
        with manager:
            run = _find(portal, name)
            return Confirmation(Asked(run.regie, run.lot, run.issued_on), Confirmed(*run.done), was_done)


def abandon(request: Request, name: str) -> None:
    """Forget a run whose letters leave no one: earlier ones stay alive.

    :raises UnknownRun: when there is none of that name.
    :raises ConfirmedRun: when some of its letters are alive.
    """
    with folders_in(request.portal_settings.var) as folders, portal_for(request) as (manager, portal):
        with manager:
            run = _find(portal, name)
            if run.is_begun or not run.is_pending:
                raise ConfirmedRun(name)
            del portal.stores["printing"].runs[name]
            tell(portal, "print abandoned", run=name)
        folders.remove(name)


def clean(request: Request) -> tuple[list[str], list[str]]:
    """Take away the files that are to go, and the runs whose passwords would be too old; give the names of both."""
    with folders_in(request.portal_settings.var) as folders, portal_for(request) as (manager, portal), manager:
        printing: Printing = portal.stores["printing"]
        life = request.portal_settings.printed_password_life
        old = [name for name, run in printing.pending() if not run.is_begun and request.now - run.made_at > life]
        for name in old:
            del printing.runs[name]
            tell(portal, "print forgotten", run=name)
        return folders.clean(printing, request.now), old


def _find(portal: Portal, name: str) -> PrintRun:
    run: PrintRun | None = portal.stores["printing"].runs.get(name)
    if run is None:
        raise UnknownRun(name)
    return run


class _Handing:
    """The handing out of one run."""

    def __init__(self, request: Request, manager: TransactionManager, portal: Portal, name: str) -> None:
        self.request = request
        self.manager = manager
        self.portal = portal
        self.name = name

    def hand_out(self, advance: Callable[[int], Any]) -> None:
        """Hand out letters, then tell the families that want no paper, then close the run."""
        self._all(lambda run: run.letters, self._hand_letter, advance)
        self._all(lambda run: run.online, self._announce, advance)
        for attempt in self.manager.attempts(_ATTEMPTS):
            with attempt:
                run = _find(self.portal, self.name)
                run.confirmed_at = self.request.now
                done = Confirmed(*run.done)
                tell(self.portal, "print confirmed", run=self.name, letters=done.letters, passwords=done.passwords)

    def _all(
        self,
        tree_of: Callable[[PrintRun], OOBTree],
        hand: Callable[[PrintRun, str, Any], Confirmed],
        advance: Callable[[int], Any],
    ) -> None:
        while True:
            codes: Sequence[str] = ()
            # Families sign in and pay meanwhile: a transaction that met one of them is done again.
            for attempt in self.manager.attempts(_ATTEMPTS):
                with attempt:
                    run = _find(self.portal, self.name)
                    tree = tree_of(run)
                    codes = list(islice(tree, _AT_ONCE))
                    if codes:
                        run.note(reduce(Confirmed.plus, [hand(run, code, tree.pop(code)) for code in codes]))
            if not codes:
                return
            advance(len(codes))

    def _hand_letter(self, run: PrintRun, code: str, letter: tuple[tuple[str, ...], str]) -> Confirmed:
        names, hashed = letter
        portal, registry = self.portal, self.request.registry
        drawn = {"drawn_at": run.made_at, "at": self.request.now}
        keeps = bool(hashed) and has_younger_letter(portal, registry, code, **drawn)
        opens = bool(hashed) and activate_printed_password(portal, registry, code, hashed, **drawn)
        portal.stores["printing"].mark(run.regie, names, self.name)
        return Confirmed(letters=len(names), passwords=int(opens), kept=int(keeps))

    def _announce(self, run: PrintRun, code: str, names: tuple[str, ...]) -> Confirmed:
        """Announce invoices to a family that wants no paper.  One that wants some by now is left to another run."""
        portal = self.portal
        families = portal["familles"]
        if code not in families:
            return Confirmed()
        if not families[code].electronic_only:
            return Confirmed(left=len(names))
        invoices = tuple(find_invoice(portal, run.regie, code, name) for name in names)
        self.request.registry.notify(InvoicesPublished(portal=portal, invoices=invoices, at=self.request.now))
        portal.stores["printing"].mark(run.regie, names, self.name)
        return Confirmed(told=1)
