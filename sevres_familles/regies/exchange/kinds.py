"""The five kinds of exchange files: each is told by the names of its columns."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sevres_familles.domain.french import fold
from sevres_familles.regies.exchange import values
from sevres_familles.regies.exchange.values import Converter


class Column(NamedTuple):
    """A column: its name, and what its cells hold.  An optional one is empty when it is not there."""

    name: str
    convert: Converter
    optional: bool = False


class Kind(NamedTuple):
    """A kind of file: what it tells of, its columns, and those whose sums close it (``TOTAL``)."""

    name: str
    columns: tuple[Column, ...]
    summed: tuple[str, ...] = ()

    def places(self, *names: str) -> tuple[int, ...]:
        """Give the places of columns in a row."""
        known = [column.name for column in self.columns]
        return tuple(map(known.index, names))


def normal(name: str) -> str:
    """Give the form in which names of columns are compared: no case, no accents, no punctuation."""
    return re.sub(r"[^a-z0-9]+", " ", fold(name)).strip()


_GUARDIAN = (
    ("civilité", values.text),
    ("nom", values.text),
    ("prénom", values.text),
    ("portable", values.text),
    ("professionnel", values.text),
    ("e-mail", values.email),
    ("e-mail bureau", values.email),
    ("numéro", values.text),
    ("voie", values.text),
    ("complément", values.text),
    ("code postal", values.text),
    ("ville", values.text),
    ("téléphone", values.text),
)

FAMILIES, CHILDREN, INVOICES, LINES, BALANCES = "familles", "enfants", "factures", "lignes", "soldes"


def kinds(regies: Iterable[str]) -> tuple[Kind, ...]:
    """Make the kinds of files of a town, whose régies have names."""
    code = Column("code famille", values.code)
    key = (
        Column("régie", values.regie_among(regies)),
        Column("exercice", values.exercice),
        Column("numéro", values.number),
    )
    guardians = (Column(f"R{rank} {name}", convert) for rank in (1, 2) for name, convert in _GUARDIAN)
    return (
        Kind(FAMILIES, (code, *guardians)),
        Kind(
            CHILDREN,
            (code, Column("prénom", values.something), Column("date de naissance", values.day_or_none)),
        ),
        Kind(
            INVOICES,
            (
                *key,
                code,
                Column("libellé", values.something),
                Column("lot", values.something),
                Column("date d’émission", values.day),
                Column("date d’échéance", values.day),
                Column("période", values.something),
                Column("total", values.amount),
                Column("reste à payer", values.amount),
                Column("état", values.state),
                Column("paiements comptés", values.counted, optional=True),
            ),
            summed=("total", "reste à payer"),
        ),
        Kind(
            LINES,
            (
                *key,
                Column("enfant", values.text),
                Column("activité", values.something),
                Column("quantité", values.quantity),
                Column("prix unitaire", values.amount),
                Column("montant", values.amount),
                Column("déductible", values.flag),
            ),
            summed=("montant",),
        ),
        Kind(
            BALANCES,
            (code, key[0], Column("solde", values.amount), Column("date du calcul", values.day)),
            summed=("solde",),
        ),
    )


def recognise(header: Sequence[str], known: Iterable[Kind]) -> Kind | None:
    """Tell what kind of file has such a header: the one most of whose columns are there; none under a half."""
    names = set(map(normal, header))

    def share(kind: Kind) -> float:
        wanted = [normal(column.name) for column in kind.columns if not column.optional]
        return sum(name in names for name in wanted) / len(wanted)

    best = max(known, key=share)
    return best if share(best) > 0.5 else None
