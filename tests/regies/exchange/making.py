"""Makers of exchange files: rows say what matters to a test, the rest is believable, the control total is right."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sevres_familles.regies.exchange.kinds import kinds
from sevres_familles.regies.exchange.running import Outcome, run
from tests.conftest import NOW

KINDS = {kind.name: kind for kind in kinds(("scolaire", "petite-enfance", "beauregard"))}

Row = dict[str, str]


def family(code: str = "26719", **cells: str) -> Row:
    """Make a row of familles; ``R1_nom`` stands for « R1 nom »."""
    row = {"code famille": code, "R1 civilité": "Monsieur", "R1 nom": "DUPOND", "R1 prénom": "Pierre"}
    return row | {name.replace("_", " "): value for name, value in cells.items()}


def child(code: str = "26719", first_name: str = "Léa", born: str = "04/05/2018") -> Row:
    return {"code famille": code, "prénom": first_name, "date de naissance": born}


def invoice(
    number: str = "9161", code: str = "26719", total: str = "60,00", left: str | None = None, **cells: str
) -> Row:
    """Make a row of factures; ``état=…``, ``libellé=…``, ``paiements_comptés=…``."""
    row = {
        "régie": "scolaire",
        "exercice": "2026",
        "numéro": number,
        "code famille": code,
        "libellé": "FACTURATION CANTINES OCTO",
        "lot": "CANTINES",
        "date d’émission": "03/11/2026",
        "date d’échéance": "30/11/2026",
        "période": "Octobre 2026",
        "total": total,
        "reste à payer": total if left is None else left,
        "état": "à payer",
    }
    return row | {name.replace("_", " "): value for name, value in cells.items()}


def line(number: str = "9161", amount: str = "60,00", **cells: str) -> Row:
    row = {
        "régie": "scolaire",
        "exercice": "2026",
        "numéro": number,
        "enfant": "Léa",
        "activité": "Restauration scolaire",
        "quantité": "1",
        "prix unitaire": amount,
        "montant": amount,
        "déductible": "non",
    }
    return row | {name.replace("_", " "): value for name, value in cells.items()}


def balance(amount: str = "60,00", code: str = "26719", regie: str = "scolaire", computed: str = "16/11/2026") -> Row:
    return {"code famille": code, "régie": regie, "solde": amount, "date du calcul": computed}


def cents(text: str) -> int:
    euros, _, decimals = text.partition(",")
    return int(euros + (decimals or "0").ljust(2, "0"))


def euros(amount: int) -> str:
    return f"{'-' if amount < 0 else ''}{abs(amount) // 100},{abs(amount) % 100:02d}"


def sheet(name: str, rows: Iterable[Row], *, total: str | None = None) -> str:
    """Write a file as text."""
    kind, rows = KINDS[name], list(rows)
    columns = [column.name for column in kind.columns]
    lines = [";".join(columns), *(";".join(row.get(column, "") for column in columns) for row in rows)]
    if total is None:
        sums = [euros(sum(cents(row[column]) for row in rows)) for column in kind.summed]
        total = ";".join(["TOTAL", str(len(rows)), *sums])
    return "\n".join([*lines, total]) + "\n" if total else "\n".join(lines) + "\n"


class Folder:
    """A folder that receives exchange files, and takes them in."""

    def __init__(self, path: Path, registry: Any) -> None:
        self.path = path
        self.registry = registry
        path.mkdir(exist_ok=True)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def files(self, **sheets: Iterable[Row]) -> list[Path]:
        return [self.write(f"{name}.csv", sheet(name, rows)) for name, rows in sheets.items()]

    def take(self, *, dry_run: bool = False, **sheets: Iterable[Row]) -> Outcome:
        """Write files of the kinds named, and import them."""
        return run(self.registry, self.files(**sheets), at=NOW, dry_run=dry_run)

    def faults(self, **sheets: Iterable[Row]) -> list[str]:
        outcome = self.take(**sheets)
        assert outcome.lot is None
        return [str(fault) for fault in outcome.faults.first]
