"""Going through an exchange file: its encoding, its header, its rows, its control total.

A row is one line, so a quotation mark left open spoils that line alone.  Lines and cells are bounded: no file makes the
import hold more than a line in memory (requirements S16, S37).
"""

import codecs
import csv
import hashlib
import re
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from sevres_familles.regies.exchange.faults import Fault, Faults, shown
from sevres_familles.regies.exchange.kinds import Kind, normal, recognise
from sevres_familles.regies.exchange.values import LONGEST_CELL

#: The longest line, in characters, its end included.
LONGEST_LINE = 8_192
#: The biggest file, in bytes.
BIGGEST_FILE = 2 * 1024**3
#: What opens the last row.
TOTAL = "TOTAL"
_BLOCK = 1024 * 1024
_UNSEEMLY = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f\ufffe\uffff]").search


class Described(NamedTuple):
    """What is known of a file before its rows are read.  ``encoding`` is Python's name of it."""

    path: Path
    name: str
    encoding: str
    sha256: str
    size: int

    @property
    def encoding_name(self) -> str:
        """The encoding as people know it."""
        return {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 avec BOM", "cp1252": "CP1252"}[self.encoding]


def describe(path: Path, faults: Faults) -> Described | None:
    """Find the encoding of a file and its hash: UTF-8 when it is that throughout, else CP1252."""
    name = shown(path.name).removeprefix("« ").removesuffix(" »")
    try:
        size = path.stat().st_size
        if size > BIGGEST_FILE:
            faults.add(Fault(name, None, None, "Le fichier dépasse 2 Gio", "Coupez-le en plusieurs fichiers."))
            return None
        encoding, sha256 = _scan(path)
    except OSError as error:
        faults.add(Fault(name, None, None, f"Fichier illisible ({error.strerror})", "Vérifiez son nom et vos droits."))
        return None
    except UnicodeDecodeError:
        faults.add(Fault(name, None, None, "Ni UTF-8 ni CP1252", "Enregistrez le fichier en CSV UTF-8."))
        return None
    return Described(path, name, encoding, sha256, size)


def _scan(path: Path) -> tuple[str, str]:
    """Read a file once, block by block: as UTF-8, as CP1252, and for its hash.

    :raises UnicodeDecodeError: when it is neither.
    """
    digest = hashlib.sha256()
    utf8: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()
    start = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            start = start or block[:3]
            digest.update(block)
            if utf8 is not None:
                try:
                    utf8.decode(block)
                except UnicodeDecodeError:
                    utf8 = None
        try:
            if utf8 is not None:
                utf8.decode(b"", final=True)
                return "utf-8-sig" if start == codecs.BOM_UTF8 else "utf-8", digest.hexdigest()
        except UnicodeDecodeError:
            pass  # A character is cut at the very end of the file.
        file.seek(0)
        while block := file.read(_BLOCK):
            block.decode("cp1252")
    return "cp1252", digest.hexdigest()


#: A row: the number of its line, how many characters it took, and its cells in the order of the kind's columns.
Row = tuple[int, int, list[str]]


class Reader:
    """The rows of one file.  `kind` is none when its header is not one of ours; faults are noted as they are met."""

    def __init__(self, described: Described, known: Sequence[Kind], faults: Faults) -> None:
        self.described = described
        self.faults = faults
        self.kind: Kind | None = None
        #: The cells of the last row after ``TOTAL``, and its line.
        self.total: tuple[int, tuple[str, ...]] | None = None
        #: Whether its header is right, so that its rows were read.
        self.is_readable = False
        #: How many rows could not be cut into cells.
        self.refused = 0
        self._known = known
        self._ended = False

    def fault(self, line: int | None, column: str | None, found: str, advice: str) -> None:
        """Note a fault of this file."""
        self.faults.add(Fault(self.described.name, line, column, found, advice))

    def _refuse(self, line: int, found: str, advice: str) -> None:
        self.refused += 1
        self.fault(line, None, found, advice)

    def __iter__(self) -> Iterator[Row]:
        with self.described.path.open(encoding=self.described.encoding, newline="\n") as file:
            lines = self._lines(file)
            header = next(lines, None)
            if header is None or not any(header[2]):
                self.fault(1, None, "Le fichier est vide", "Sa première ligne doit nommer les colonnes.")
                return
            places = self._places(header[2])
            if places is not None:
                self.is_readable = True
                yield from self._rows(lines, places, len(header[2]))

    def _lines(self, file: TextIOWrapper) -> Iterator[Row]:
        """Cut a file into lines, and lines into cells."""
        number = 0
        while line := file.readline(LONGEST_LINE):
            number += 1
            length = len(line)
            if length == LONGEST_LINE and not line.endswith("\n"):
                length += _skip_line(file)
                self._refuse(number, f"Ligne de {length} caractères", f"{LONGEST_LINE} au plus sont admis.")
                continue
            line = line.strip()
            # isprintable is by far quicker than the pattern, but does not like the no-break spaces of amounts.
            plain = line.isprintable()
            if not plain and _UNSEEMLY(line):
                found, advice = f"Caractère invisible dans {shown(line)}", "Retirez les caractères de contrôle."
                self._refuse(number, found, advice)
                continue
            cells = line.split(";") if '"' not in line else self._quoted(number, line)
            if cells is None:
                continue
            if length > LONGEST_CELL and (longest := max(map(len, cells))) > LONGEST_CELL:
                self._refuse(number, f"Cellule de {longest} caractères", f"{LONGEST_CELL} au plus sont admis.")
                continue
            if not plain or " ;" in line or "; " in line or '"' in line:
                cells = [cell.strip() for cell in cells]
            yield number, length, cells

    def _quoted(self, number: int, line: str) -> list[str] | None:
        try:
            return next(csv.reader([line], delimiter=";", strict=True))
        except csv.Error:
            advice = "Fermez-le sur la même ligne ; dans une cellule, doublez-le."
            self._refuse(number, f"Guillemet mal fermé dans {shown(line)}", advice)
            return None

    def _places(self, header: list[str]) -> list[int] | None:
        """Find where the columns of the kind are in the header; a place past its end stands for one not there."""
        self.kind = kind = recognise(header, self._known)
        if kind is None:
            columns = " ; ".join(
                f"{each.name} : {', '.join(c.name for c in each.columns[:4])}…" for each in self._known
            )
            self.fault(1, None, f"En-tête inconnu : {shown(';'.join(header))}", f"Les fichiers sont {columns}")
            return None
        names = list(map(normal, header))
        wrong = False
        for column in kind.columns:
            count = names.count(normal(column.name))
            if count > 1 or (count == 0 and not column.optional):
                wrong = True
                found = "Colonne en double" if count else "Colonne absente"
                self.fault(1, column.name, found, f"Un fichier de {kind.name} l’a une fois.")
        if wrong:
            return None
        return [names.index(each) if each in names else len(names) for each in (normal(c.name) for c in kind.columns)]

    def _rows(self, lines: Iterator[Row], places: list[int], width: int) -> Iterator[Row]:
        optional = max(places) == width
        in_order = places == list(range(width))
        for number, length, cells in lines:
            if cells[0] == TOTAL or self.total is not None:
                self._end(number, cells)
            elif len(cells) == width:
                if optional:
                    cells.append("")
                if in_order:
                    yield number, length, cells
                elif any(cells):
                    yield number, length, [cells[place] for place in places]
            elif any(cells):
                self._refuse(number, f"{len(cells)} cellules", f"L’en-tête en nomme {width}.")

    def _end(self, number: int, cells: list[str]) -> None:
        if self.total is None:
            while cells and not cells[-1]:
                cells.pop()
            self.total = number, tuple(cells[1:])
        elif any(cells) and not self._ended:
            self._ended = True
            self.fault(number, None, f"Une ligne suit la ligne {TOTAL}", f"{TOTAL} termine le fichier.")


def _skip_line(file: TextIOWrapper) -> int:
    """Go past the rest of a line, and tell how long it was."""
    skipped = 0
    while part := file.readline(LONGEST_LINE):
        skipped += len(part)
        if part.endswith("\n"):
            break
    return skipped
