"""Faults of exchange files: all of them at once, each saying where it is, what was found and what to do."""

from typing import NamedTuple

from sevres_familles.domain.french import plural

#: How many faults are kept to be printed; the others are counted.
PRINTED = 1000
_SHOWN_LENGTH = 40


def shown(found: str) -> str:
    """Quote a cell for a message: one line, short, nothing that a terminal would obey."""
    plain = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in found[: _SHOWN_LENGTH + 1])
    return f"« {plain if len(plain) <= _SHOWN_LENGTH else plain[:_SHOWN_LENGTH] + '…'} »"


class Fault(NamedTuple):
    """One fault.  ``line`` counts from 1, the header's; ``found`` and ``advice`` are French."""

    file: str
    line: int | None
    column: str | None
    found: str
    advice: str

    def __str__(self) -> str:
        where = [self.file]
        if self.line is not None:
            where.append(f"ligne {self.line}")
        if self.column is not None:
            where.append(f"colonne « {self.column} »")
        return f"{', '.join(where)} : {self.found}. {self.advice}"


class Faults:
    """The faults of an import: the first ones, and how many there are."""

    def __init__(self) -> None:
        self.first: list[Fault] = []
        self.count = 0

    def add(self, fault: Fault) -> None:
        """Note a fault."""
        self.count += 1
        if len(self.first) < PRINTED:
            self.first.append(fault)

    def __bool__(self) -> bool:
        return self.count > 0

    def report(self) -> str:
        """Write them all, a line each."""
        lines = [str(fault) for fault in self.first]
        if self.count > PRINTED:
            lines.append(f"… et {plural(self.count - PRINTED, 'autre faute', 'autres fautes')}.")
        return "\n".join(lines)
