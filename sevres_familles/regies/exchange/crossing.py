"""Setting the rows of the files against one another: doubles, lines and invoices without one another, sums."""

from collections.abc import Sequence
from typing import NamedTuple

from sevres_familles.domain.invoice import BillingState
from sevres_familles.domain.money import Money
from sevres_familles.regies.exchange.faults import Fault, Faults
from sevres_familles.regies.exchange.workspace import Workspace

#: What is one of its kind: table, the columns that tell it, and what it is called.
_UNIQUE = (
    ("families", "code", "Le code famille {0}"),
    ("children", "code, child", "Le même enfant de la famille {0}"),
    ("invoices", "regie, name", "La facture {1} de la régie {0}"),
    ("balances", "code, regie", "Le solde de la famille {0} dans la régie {1}"),
)


def cross(workspace: Workspace, files: Sequence[str], faults: Faults) -> None:
    """Note the faults that one row alone does not show.  ``files`` are the files' names, by number."""
    for table, columns, thing in _UNIQUE:
        _find_doubles(workspace, files, faults, what=(table, columns, thing))
    _find_lonely_lines(workspace, files, faults)
    _check_sums(workspace, files, faults)
    _check_figures(workspace, files, faults)


def _find_doubles(workspace: Workspace, files: Sequence[str], faults: Faults, what: tuple[str, str, str]) -> None:
    table, columns, thing = what
    twice = f"SELECT {columns} FROM {table} GROUP BY {columns} HAVING COUNT(*) > 1"
    query = f"SELECT {columns}, file, line FROM {table} WHERE ({columns}) IN ({twice}) ORDER BY {columns}, rowid"
    first: tuple[object, ...] = ()
    for *key, file, line in workspace.select(query):
        if tuple(key) != first[:-1]:
            first = (*key, f"{files[file]}, ligne {line}")
            continue
        found = f"{thing.format(*key)} est déjà là ({first[-1]})"
        faults.add(Fault(files[file], line, None, found, "Gardez une seule des deux lignes."))


def _find_lonely_lines(workspace: Workspace, files: Sequence[str], faults: Faults) -> None:
    query = """
        SELECT regie, name, file, MIN(line) FROM lines
        WHERE NOT EXISTS (SELECT 1 FROM invoices WHERE invoices.regie = lines.regie AND invoices.name = lines.name)
        GROUP BY regie, name ORDER BY file, MIN(line)
    """
    for regie, name, file, line in workspace.select(query):
        faults.add(
            Fault(
                files[file], line, None, f"La facture {name} de la régie {regie} n’est dans aucun fichier de factures",
                "Donnez aussi sa ligne dans le fichier des factures, ou retirez celle-ci.",
            )
        )  # fmt: skip


def _check_sums(workspace: Workspace, files: Sequence[str], faults: Faults) -> None:
    """Check that the lines of each invoice make its total.  A line with a wrong amount leaves its invoice unchecked."""
    query = """
        SELECT invoices.file, invoices.line, invoices.name, invoices.total, SUM(lines.total) AS made FROM invoices
        JOIN lines ON lines.regie = invoices.regie AND lines.name = invoices.name
        GROUP BY invoices.rowid
        HAVING invoices.total <> made AND COUNT(lines.total) = COUNT(*) ORDER BY invoices.rowid
    """
    for file, line, name, total, made in workspace.select(query):
        found = f"Le total de la facture {name} est {Money(total)}, ses lignes font {Money(made)}"
        faults.add(Fault(files[file], line, "total", found, "Corrigez le total ou les lignes."))


#: Names of the states in which nothing is left to pay.
_OVER = (BillingState.PAID_AT_COUNTER.name, BillingState.CANCELLED.name)


class WrongFigures(NamedTuple):
    """Figures that do not agree: the column to name, what was found, what to do."""

    column: str
    found: str
    advice: str


def wrong_figures(invoiced: int, remaining: int, taken: int, state: str) -> WrongFigures | None:
    """Tell why what is left to pay does not agree with the total, the payments counted or the state, in cents."""
    lowest, highest = min(invoiced, 0), max(invoiced - taken, 0)
    if not lowest <= remaining <= highest:
        why = f" : la facture est de {Money(invoiced)}, dont {Money(taken)} de paiements comptés" if taken else ""
        advice = f"Il va de {Money(lowest)} à {Money(highest)}{why}."
        return WrongFigures("reste à payer", f"Le reste à payer est de {Money(remaining)}", advice)
    if remaining and state in _OVER:
        found = f"La facture est {BillingState[state]} et il reste {Money(remaining)} à payer"
        return WrongFigures("état", found, "Mettez le reste à payer à 0,00, ou un autre état.")
    return None


def _check_figures(workspace: Workspace, files: Sequence[str], faults: Faults) -> None:
    """Check the invoices that count none of our payments; what the others count is known to the database."""
    query = """
        SELECT file, line, total, remaining, state FROM invoices WHERE counted = ''
        AND (remaining NOT BETWEEN MIN(total, 0) AND MAX(total, 0) OR remaining <> 0 AND state IN (?, ?)) ORDER BY rowid
    """
    for file, line, invoiced, remaining, state in workspace.select(query, *_OVER):
        wrong = wrong_figures(invoiced, remaining, 0, state)
        if wrong is not None:
            faults.add(Fault(files[file], line, *wrong))
