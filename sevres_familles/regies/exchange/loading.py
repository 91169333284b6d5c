"""The first pass: every row of every file is read, checked for itself, and put into the workspace."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sevres_familles.domain.money import Money
from sevres_familles.domain.packing import pack
from sevres_familles.regies.exchange import kinds, values
from sevres_familles.regies.exchange.faults import shown
from sevres_familles.regies.exchange.kinds import Kind
from sevres_familles.regies.exchange.reading import TOTAL, Described, Reader
from sevres_familles.regies.exchange.workspace import Workspace

#: Told how many characters were read.
Progress = Callable[[int], Any]

_PROGRESS_EVERY = 1_000
_MOST_LINES_TOGETHER = 200
_GUARDIAN_WIDTH = 13
#: Columns that say whose or which a row is: a wrong one stays as it is, so that rows find one another all the same.
_KEYS = frozenset({"code famille", "régie", "exercice", "numéro"})
#: Where a guardian's first field of address and telephone stand in the file, and in the record.
_ADDRESS = slice(7, 12)
#: Where the two e-mail addresses stand.
_EMAILS = slice(5, 7)


class Loaded(NamedTuple):
    """A file that was read: its kind and how many rows it has."""

    described: Described
    kind: Kind | None
    rows: int


def load(reader: Reader, number: int, workspace: Workspace, progress: Progress) -> Loaded:
    """Read a file into the workspace; ``number`` is its place among the files."""
    table: _Table | None = None
    converters: tuple[values.Converter, ...] = ()
    read = rows = 0
    for line, length, cells in reader:
        if table is None:
            assert reader.kind is not None  # noqa: S101 - a row comes after its header
            table = _TABLES[reader.kind.name](reader, number, workspace)
            converters = tuple(column.convert for column in reader.kind.columns)
        rows += 1
        read += length
        if rows % _PROGRESS_EVERY == 0:
            progress(read)
            read = 0
        try:
            row = [convert(cell) for convert, cell in zip(converters, cells, strict=True)]
        except values.Wrong:
            row = _tell_faults(reader, reader.kind, line, cells)
        table.add(line, row)
    progress(read)
    if reader.kind is not None and reader.is_readable:
        table = table or _TABLES[reader.kind.name](reader, number, workspace)
        table.flush()
        _check_total(reader, reader.kind, rows, table)
    return Loaded(reader.described, reader.kind, rows)


def _tell_faults(reader: Reader, kind: Kind | None, line: int, cells: Sequence[str]) -> list[Any]:
    """Note what is wrong in a row, and give its values: none where a cell is wrong, the cell itself in keys."""
    row: list[Any] = []
    for column, cell in zip(kind.columns if kind else (), cells, strict=True):
        try:
            row.append(column.convert(cell))
        except values.Wrong as wrong:
            reader.fault(line, column.name, f"{shown(cell)} est refusé" if cell else "Cellule vide", str(wrong))
            row.append(cell if column.name in _KEYS else None)
    return row


def _check_total(reader: Reader, kind: Kind, rows: int, table: "_Table") -> None:
    expected = (str(rows + reader.refused), *(_plain(cents) for cents in table.sums))
    if reader.total is None:
        reader.fault(
            None, None, f"Pas de ligne {TOTAL}", f"Le fichier est peut-être coupé : il finit par {_total_form(kind)}."
        )
        return
    line, found = reader.total
    if len(found) != len(expected):
        reader.fault(line, None, f"{shown(';'.join((TOTAL, *found)))} est incomplet", f"Écrivez {_total_form(kind)}.")
        return
    for name, told, counted in zip(("nombre de lignes", *kind.summed), found, expected, strict=True):
        if (table.has_faults or reader.refused) and name != "nombre de lignes":
            continue
        if not _same_figure(told, counted):
            reader.fault(
                line, name, f"Le total de contrôle est {shown(told)}, le fichier fait {counted}",
                "Le fichier est coupé ou a été modifié : demandez-le de nouveau.",
            )  # fmt: skip


def _total_form(kind: Kind) -> str:
    return ";".join((TOTAL, "nombre de lignes", *(f"somme de « {name} »" for name in kind.summed)))


def _plain(cents: int) -> str:
    sign, whole = "-" if cents < 0 else "", abs(cents)
    return f"{sign}{whole // 100},{whole % 100:02d}"


def _same_figure(told: str, counted: str) -> bool:
    try:
        return Money.parse(told) == Money.parse(counted)
    except ValueError:
        return False


class _Table:
    """What a kind of file puts into the workspace."""

    def __init__(self, reader: Reader, file: int, workspace: Workspace) -> None:
        self.reader = reader
        self.file = file
        self.workspace = workspace
        self.sums = [0] * (len(reader.kind.summed) if reader.kind else 0)
        #: Whether a cell was wrong, so that sums say nothing.
        self.has_faults = False

    def add(self, line: int, row: list[Any]) -> None:
        """Take a row: its values in the order of the kind's columns."""
        raise NotImplementedError

    def flush(self) -> None:
        """Put what was held back."""

    def sum_up(self, *cents: int | None) -> None:
        """Add to the sums of the control total."""
        for place, each in enumerate(cents):
            if each is None:
                self.has_faults = True
            else:
                self.sums[place] += each


class _Families(_Table):
    def add(self, line: int, row: list[Any]) -> None:
        code, *fields = row
        first, second = fields[:_GUARDIAN_WIDTH], fields[_GUARDIAN_WIDTH:]
        if first[1] == "":
            self.reader.fault(line, "R1 nom", "Cellule vide", "Le premier responsable a toujours un nom.")
        guardians = [_guardian(first)]
        if second[1]:
            guardians.append(_guardian(second))
        elif any(second[2:7]):
            self.reader.fault(line, "R2 nom", "Cellule vide", "Nommez le second responsable, ou videz ses colonnes.")
        emails = " ".join(filter(None, (*first[_EMAILS], *second[_EMAILS])))
        self.workspace.add("families", (code, self.file, line, pack(guardians), emails))


def _guardian(fields: list[Any]) -> list[Any]:
    """Put the fields of a guardian in the order of `domain.family.Guardian`."""
    return [*fields[: _ADDRESS.start], fields[_ADDRESS], fields[_ADDRESS.stop]]


class _Children(_Table):
    def add(self, line: int, row: list[Any]) -> None:
        code, first_name, born_on = row
        self.workspace.add("children", (code, self.file, line, pack([first_name, born_on])))


class _Invoices(_Table):
    def add(self, line: int, row: list[Any]) -> None:
        regie, exercice, number, code, label, lot, issued, due, period, total, remaining, state, counted = row
        self.sum_up(total, remaining)
        if issued and due and due < issued:
            self.reader.fault(
                line,
                "date d’échéance",
                "L’échéance précède l’émission",
                "L’échéance est le jour de l’émission ou après.",
            )
        head = None
        if None not in row and exercice.isdigit():
            head = pack([int(exercice), number, label, lot, issued, due, period, total])
        name = f"{exercice}-{number}"
        self.workspace.add(
            "invoices",
            (
                code,
                self.file,
                line,
                regie,
                name,
                head,
                total,
                remaining,
                state,
                pack(counted) if counted else "",
                issued,
            ),
        )


class _Lines(_Table):
    """Lines that follow one another and are of one invoice are put together: one row for them all."""

    def __init__(self, reader: Reader, file: int, workspace: Workspace) -> None:
        super().__init__(reader, file, workspace)
        self._invoice: tuple[str, str, str] | None = None
        self._first_line = 0
        self._together: list[list[Any]] = []
        self._total: int | None = 0

    def add(self, line: int, row: list[Any]) -> None:
        regie, exercice, number, child, activity, quantity, unit_price, amount, deductible = row
        invoice = (regie, exercice, number)
        if invoice != self._invoice or len(self._together) >= _MOST_LINES_TOGETHER:
            self.flush()
            self._invoice, self._first_line = invoice, line
        if None in row:
            self._total = None
        elif not values.makes_amount(quantity, unit_price, amount):
            self.reader.fault(
                line, "montant",
                f"{shown(_plain(amount))} n’est pas {quantity} × {_plain(unit_price)}",
                "La quantité fois le prix unitaire fait le montant, à un centime près.",
            )  # fmt: skip
        if amount is None:
            self.has_faults = True
        else:
            self.sums[0] += amount
        if self._total is not None:
            self._total += amount
        self._together.append([child, activity, quantity, unit_price, amount, deductible])

    def flush(self) -> None:
        if self._invoice is None:
            return
        regie, exercice, number = self._invoice
        row = (regie, f"{exercice}-{number}", self.file, self._first_line, self._total, pack(self._together))
        self.workspace.add("lines", row)
        self._invoice, self._together, self._total = None, [], 0


class _Balances(_Table):
    def add(self, line: int, row: list[Any]) -> None:
        code, regie, amount, computed_on = row
        self.sum_up(amount)
        self.workspace.add("balances", (code, self.file, line, regie, amount, computed_on))


_TABLES: dict[str, type[_Table]] = {
    kinds.FAMILIES: _Families,
    kinds.CHILDREN: _Children,
    kinds.INVOICES: _Invoices,
    kinds.LINES: _Lines,
    kinds.BALANCES: _Balances,
}
