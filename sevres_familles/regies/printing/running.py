"""A print run from end to end: choose, check, typeset, bind, and write down what the confirmation will hand out."""

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import count, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from pyramid.request import Request
from transaction import TransactionManager

from sevres_familles.domain.french import fold, local, short_date
from sevres_familles.domain.invoice import InvoiceStatus
from sevres_familles.domain.money import Money
from sevres_familles.domain.references import random_printed_password
from sevres_familles.identity.services import wants_printed_password
from sevres_familles.regies.documents import invoice_data, terms_of
from sevres_familles.regies.printing.choosing import Asked, Chosen, choose, let_go
from sevres_familles.regies.printing.conformity import lacks_of, lacks_of_terms
from sevres_familles.regies.printing.folders import MANIFEST, Folders, folders_in
from sevres_familles.regies.printing.pressing import (
    Bound,
    Letter,
    Pressed,
    bind,
    press,
    presses,
    sha256_of,
    write_private,
)
from sevres_familles.regies.printing.resources import Counts, Printing, PrintRun
from sevres_familles.regies.resources import Invoice
from sevres_familles.web.logs import tell
from sevres_familles.web.root import Portal, portal_in

#: Letters of a file for the printer.
BOUND = 500
#: Letters that a press takes at once.
_AT_ONCE = 20
#: Makes a bar of a name and a length, and gives what advances it.
Progress = Callable[[str, int], AbstractContextManager[Callable[[int], Any]]]


def no_progress(_name: str, _length: int) -> AbstractContextManager[Callable[[int], Any]]:
    """Show nothing."""
    return nullcontext(lambda _: None)


class Refused(Exception):
    """The law misses something on the invoices: ``faults`` name each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__(faults)
        self.faults = faults


class Printed(NamedTuple):
    """What a run made: nothing when ``name`` is empty.

    ``late`` counts the letters whose deadline is over; ``faults`` name what lacks on the invoices that were left out.
    """

    chosen: Chosen
    name: str = ""
    folder: Path = Path()
    counts: Counts = Counts(0, 0, 0, 0, 0)
    late: int = 0
    faults: Sequence[str] = ()


@contextmanager
def portal_for(request: Request) -> Iterator[tuple[TransactionManager, Portal]]:
    """Open the portal for a command, under a request whose links start from it."""
    manager = TransactionManager(explicit=True)
    connection = request.registry._zodb_databases[""].open(transaction_manager=manager)
    try:
        with manager:
            portal = request.context = portal_in(connection.root(), request.registry)
        yield manager, portal
    finally:
        connection.close()


def print_lot(
    request: Request,
    asked: Asked,
    *,
    duplex: bool = False,
    without_faulty: bool = False,
    progress: Progress = no_progress,
) -> Printed:
    """Print the invoices of a lot: all of them, or nothing.

    What it reads is one moment of the database, however long it takes; what it writes is one transaction at its end.

    :param duplex: for a printer that prints on both sides.
    :param without_faulty: leave out the invoices on which the law misses something, to be printed another time.
    :raises Refused: when the law misses something on one of them, or on all.
    :raises sevres_familles.regies.printing.folders.PrintingRunning: when another command prints.
    """
    with folders_in(request.portal_settings.var) as folders, portal_for(request) as (manager, portal):
        try:
            with manager:
                printing: Printing = portal.stores["printing"]
                folders.clean(printing, request.now)
                with progress("Choix", len(portal["familles"])) as advance:
                    chosen = choose(portal, asked, request.today, advance)
                chosen, faults = _checked(request, portal, asked.regie, chosen, progress)
                if faults and not without_faulty:
                    raise Refused(faults)
                if not chosen.paper and not chosen.electronic:
                    return Printed(chosen, faults=faults)
                name = _new_name(request, printing, folders)
                run, late = _Job(request, portal, asked, chosen, folders.begin(name)).do(duplex, progress)
            with manager:
                portal.stores["printing"].add(name, run)
                counts = Counts(*run.counts)
                tell(portal, "print run", run=name, letters=counts.invoices, passwords=counts.passwords)
        except BaseException:
            # Passwords stand in the files: they go, unless the run came into the database all the same.
            with manager:
                folders.clean(portal.stores["printing"], request.now)
            raise
        return Printed(chosen, name, folders.finish(name), counts, late, faults)


def find_invoice(portal: Portal, regie: str, code: str, name: str) -> Invoice:
    """Find an invoice.

    :raises KeyError: when there is none.
    """
    invoice: Invoice = portal["familles"][code]["comptes"][regie][name]
    return invoice


def _checked(
    request: Request, portal: Portal, regie: str, chosen: Chosen, progress: Progress
) -> tuple[Chosen, list[str]]:
    """Give what was chosen without the invoices on which the law misses something, and name what.

    :raises Refused: when it misses something on all of them.
    """
    lacks = list(lacks_of_terms(request.town, portal["regies"][regie], terms_of(request, regie)))
    if lacks and (chosen.paper or chosen.electronic):
        raise Refused([f"Toutes les factures : il manque {lack}. Complétez le fichier de la ville." for lack in lacks])
    faults: list[str] = []

    def sound(invoices: Sequence[tuple[str, str]], *, by_post: bool) -> Iterator[tuple[str, str]]:
        for place, (code, name) in enumerate(invoices, start=1):
            lacks = list(lacks_of(find_invoice(portal, regie, code, name), by_post=by_post))
            faults.extend(f"Facture {name}, famille {code} : il manque {lack}." for lack in lacks)
            if not lacks:
                yield code, name
            if place % BOUND == 0:
                let_go(portal)
            advance(1)

    with progress("Vérification", len(chosen.paper) + len(chosen.electronic)) as advance:
        paper = list(sound(chosen.paper, by_post=True))
        electronic = list(sound(chosen.electronic, by_post=False))
    return chosen._replace(paper=paper, electronic=electronic), faults


def _new_name(request: Request, printing: Printing, folders: Folders) -> str:
    """Name a run by its day, and its number on that day: ``2026-11-23-1``."""
    day = f"{local(request.now):%Y-%m-%d}"
    last_day, _, number = printing.last.rpartition("-")
    names = (f"{day}-{number}" for number in count(int(number) + 1 if last_day == day else 1))
    taken = folders.taken()
    return next(name for name in names if name not in taken)


class _Job:
    """The work of one run, in its folder."""

    def __init__(self, request: Request, portal: Portal, asked: Asked, chosen: Chosen, folder: Path) -> None:
        self.request = request
        self.portal = portal
        self.asked = asked
        self.chosen = chosen
        self.folder = folder
        self.cents = self.late = self.passwords = 0

    def do(self, duplex: bool, progress: Progress) -> tuple[PrintRun, int]:
        """Typeset, bind, write the manifest; give the run, ready to be stored, and how many letters come late."""
        for name in ("factures", "imprimeur"):
            (self.folder / name).mkdir(mode=0o700)
        paper = self.chosen.paper
        with (
            progress("Impression", len(paper)) as advance,
            presses(self.request.portal_settings, len(paper)) as (executor, workers),
        ):
            pressed, binding = self._press(executor, workers, duplex, advance)
            bound = self._bound(binding, progress)
        run = self._run(pressed, bound)
        write_private(self.folder / MANIFEST, self._manifest(run, pressed, bound))
        run.manifest = sha256_of(self.folder / MANIFEST)
        # The run must not be in the database before its files are on the disk.
        os.sync()
        return run, self.late

    def _letters(self) -> Iterator[Letter]:
        """Go through the letters; those of one family carry the same password."""
        places = count(1)
        for code, invoices in groupby(self.chosen.paper, key=itemgetter(0)):
            password = random_printed_password() if wants_printed_password(self.portal, code) else ""
            self.passwords += bool(password)
            secret = password
            for _, name in invoices:
                invoice = find_invoice(self.portal, self.asked.regie, code, name)
                status = invoice.status(self.request.today, lasting=True)
                self._count(invoice, status)
                place = next(places)
                yield Letter(_file_name(place, name), invoice_data(self.request, invoice, status, password), secret)
                secret = ""
                if place % BOUND == 0:
                    let_go(self.portal)

    def _count(self, invoice: Invoice, status: InvoiceStatus) -> None:
        if status.payable:
            self.cents += status.due.cents
            self.late += invoice.facts.due_on < self.request.today

    def _press(
        self, executor: Executor, workers: int, duplex: bool, advance: Callable[[int], Any]
    ) -> tuple[list[Pressed], list[Future[Bound]]]:
        """Have the presses typeset all letters, in order, and bind them; few wait at a time, so memory stays flat."""
        waiting: deque[Future[list[Pressed]]] = deque()
        pressed: list[Pressed] = []
        binding: list[Future[Bound]] = []

        def bind_last() -> None:
            files = [each.file for each in pressed[len(binding) * BOUND :]]
            target = f"imprimeur/{_safe(self.asked.lot)}-{len(binding) + 1:03d}.pdf"
            binding.append(executor.submit(bind, self.folder, files, target, duplex=duplex))

        def take() -> None:
            done = waiting.popleft().result()
            pressed.extend(done)
            advance(len(done))
            if len(pressed) % BOUND == 0:
                bind_last()

        for chunk in _chunks(self._letters(), _AT_ONCE):
            waiting.append(executor.submit(press, self.folder, chunk))
            if len(waiting) > 2 * workers:
                take()
        while waiting:
            take()
        if len(pressed) % BOUND:
            bind_last()
        return pressed, binding

    @staticmethod
    def _bound(binding: Sequence[Future[Bound]], progress: Progress) -> list[Bound]:
        """Wait for the files for the printer."""
        bound = []
        with progress("Reliure", len(binding)) as advance:
            for each in binding:
                bound.append(each.result())
                advance(1)
        return bound

    def _run(self, pressed: Sequence[Pressed], bound: Sequence[Bound]) -> PrintRun:
        chosen = self.chosen
        if chosen.issued_on is None:
            raise ValueError("nothing was chosen")
        run = PrintRun(self.asked.regie, self.asked.lot, issued_on=chosen.issued_on, made_at=self.request.now)
        letters = zip(chosen.paper, pressed, strict=True)
        for code, group in groupby(letters, key=lambda each: each[0][0]):
            invoices = list(group)
            hashed = next((letter.hashed for _, letter in invoices if letter.hashed), "")
            run.letters[code] = tuple(name for (_, name), _ in invoices), hashed
        for code, names in groupby(chosen.electronic, key=itemgetter(0)):
            run.online[code] = tuple(name for _, name in names)
        pages = sum(sum(each.pages) for each in bound)
        run.counts = tuple(Counts(len(pressed), pages, self.cents, self.passwords, len(chosen.electronic)))
        return run

    def _manifest(self, run: PrintRun, pressed: Sequence[Pressed], bound: Sequence[Bound]) -> bytes:
        """Write what is in the folder, for who prints it, and for who checks that nothing was lost on the way."""
        counts = Counts(*run.counts)
        written = {
            "impression": self.folder.name.removesuffix(".partiel"),
            "faite le": f"{local(run.made_at):%d/%m/%Y %H:%M}",
            "régie": run.regie,
            "lot": run.lot,
            "émises le": short_date(run.issued_on),
            "factures": counts.invoices,
            "pages": counts.pages,
            "total": str(Money(counts.cents)),
            "mots de passe": counts.passwords,
            "sans papier": counts.electronic,
            "imprimeur": [
                {"fichier": each.file, "factures": len(each.pages), "pages": sum(each.pages), "octets": each.size,
                 "sha256": each.sha256}
                for each in bound
            ],
            "factures une à une": [
                {"fichier": each.file, "octets": each.size, "sha256": each.sha256} for each in pressed
            ],
        }  # fmt: skip
        return json.dumps(written, ensure_ascii=False, indent=1).encode()


def _safe(text: str) -> str:
    """Write a name as files may have it."""
    return "".join(each if each.isascii() and each.isalnum() else "-" for each in fold(text))


def _file_name(place: int, invoice: str) -> str:
    """Name the file of a letter: its place among all, then its number."""
    return f"factures/{place:06d}_{_safe(invoice)}.pdf"


def _chunks(things: Iterable[Letter], size: int) -> Iterator[list[Letter]]:
    iterator = iter(things)
    while chunk := list(islice(iterator, size)):
        yield chunk
