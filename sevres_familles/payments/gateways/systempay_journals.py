"""Reading SystemPay's journals: JT (every operation of a day) and JRI (impayés), payments.md §5.

A record is a line, ``;`` parts its cells, the first is its kind: TITRE, ENTETE (the names of the columns), details, FIN
with the number of details.  Cells are found by the names in ENTETE, never by their position.  A file that is cut, bent
or another shop's is refused whole; a row that shows nothing we can use (the check of a card, an operation keyed in at
the bank without an order) is odd, and the others count.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sevres_familles.domain import french
from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import Channel, Evidence, EvidenceKind
from sevres_familles.payments.gateways.port import (
    BankJournal,
    JournalFault,
    JournalKind,
    JournalRow,
    OddRow,
    UnreadableJournal,
)
from sevres_familles.payments.gateways.systempay_words import DEBIT, EURO, shown_by

BIGGEST = 64 * 1024 * 1024
#: More faults than this are counted, not told.
MOST_FAULTS = 50
#: How far from today the day of a journal may be.  The clock of the demonstration bank runs ahead of ours.
_FARTHEST = timedelta(days=366)

_TRANSACTION_COLUMNS = frozenset(
    {
        *("MERCHANT_ID", "TRANSACTION_ID", "TRANSACTION_UUID", "TRANSACTION_TYPE", "TRANSACTION_STATUS"),
        *("ORDER_ID", "AMOUNT"),
    }
)
_CHARGEBACK_COLUMNS = frozenset({"CHARGEBACK_REFERENCE", "TRANSACTION_UUID", "ORDER_ID", "CHARGEBACK_AMOUNT"})


class _Record(NamedTuple):
    line: int
    kind: str
    cells: Sequence[str]


class _Parts(NamedTuple):
    """A file taken apart: title, names of the columns, details, number told at the end."""

    title: _Record
    head: _Record
    details: Sequence[_Record]


def read_journal(content: bytes, *, site_id: str, at: datetime) -> BankJournal:
    """Read a journal.

    :param at: when we had it, in UTC.
    :raises UnreadableJournal: naming every fault, with its line.
    """
    parts = _take_apart(_decode(content))
    faults: list[JournalFault] = []
    kind, names = _recognise(parts.head)
    day = _day_of(parts.title, site_id, french.local(at).date())
    rows: list[JournalRow] = []
    odd: list[OddRow] = []
    for record in parts.details:
        if len(record.cells) != len(names):
            faults.append(JournalFault(record.line, f"{len(record.cells)} cellules pour {len(names)} colonnes"))
            continue
        values = dict(zip(names, record.cells, strict=True))
        if values.get("MERCHANT_ID", site_id) != site_id:
            faults.append(JournalFault(record.line, "MERCHANT_ID : ce journal est celui d’une autre boutique"))
        elif oddities := ", ".join(_oddities_in(values, kind)):
            odd.append(OddRow(record.line, *_named_by(values), oddities))
        else:
            rows.append(JournalRow(record.line, values["ORDER_ID"], _EVIDENCE[kind](values, at)))
    _refuse(faults)
    return BankJournal(kind, day, tuple(rows), tuple(odd))


def _refuse(faults: Sequence[JournalFault]) -> None:
    if len(faults) > MOST_FAULTS:
        more = JournalFault(0, f"{len(faults) - MOST_FAULTS} autres erreurs")
        faults = [*faults[:MOST_FAULTS], more]
    if faults:
        raise UnreadableJournal(tuple(faults))


def _decode(content: bytes) -> str:
    if not 0 < len(content) <= BIGGEST:
        _refuse([JournalFault(0, "fichier vide, ou de plus de 64 Mio")])
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableJournal((JournalFault(0, "ni UTF-8 ni CP1252"),))


def _records(text: str) -> Iterator[_Record]:
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if line.strip():
            try:
                kind, *cells = (cell.strip() for cell in next(csv.reader([line], delimiter=";")))
            except csv.Error as error:
                raise UnreadableJournal((JournalFault(number, "ligne trop longue"),)) from error
            yield _Record(number, kind, cells)


def _take_apart(text: str) -> _Parts:
    """Find title, head, details and end of a file, and check that it is whole."""
    records = list(_records(text))
    kinds = [record.kind for record in records] or [""]
    if kinds[:2] != ["TITRE", "ENTETE"]:
        _refuse([JournalFault(1, "un journal commence par TITRE, puis ENTETE")])
    if len(records) < 3 or kinds[-1] != "FIN" or kinds.count("FIN") != 1:
        _refuse([JournalFault(records[-1].line, "il manque l’enregistrement FIN : le fichier est coupé")])
    title, head, *details, end = records
    if list(end.cells[:1]) != [str(len(details))]:
        _refuse([JournalFault(end.line, f"FIN annonce {' '.join(end.cells)} lignes, il y en a {len(details)}")])
    return _Parts(title, head, details)


def _recognise(head: _Record) -> tuple[JournalKind, Sequence[str]]:
    """Tell which journal has these columns."""
    names = frozenset(head.cells)
    if len(names) != len(head.cells):
        _refuse([JournalFault(head.line, "une colonne figure deux fois")])
    if names >= _CHARGEBACK_COLUMNS:
        return JournalKind.CHARGEBACKS, head.cells
    if missing := _TRANSACTION_COLUMNS - names:
        _refuse([JournalFault(head.line, f"ni JT ni JRI : il manque {', '.join(sorted(missing))}")])
    return JournalKind.TRANSACTIONS, head.cells


def _day_of(title: _Record, site_id: str, today: date) -> date:
    """Find the day of a journal in its title: the one cell that can be it, the shop's number left aside."""
    cells = list(title.cells)
    if site_id in cells:
        cells.remove(site_id)
    days = {day for day in map(_day_in, cells) if day is not None and abs(day - today) <= _FARTHEST}
    if len(days) != 1:
        text = "TITRE ne dit pas de quel jour est le journal : un seul, à un an près, y est attendu (AAAAMMJJ)"
        raise UnreadableJournal((JournalFault(title.line, text),))
    return days.pop()


def _day_in(cell: str) -> date | None:
    if not re.fullmatch(r"\d{8}", cell, re.ASCII):
        return None
    try:
        return datetime.strptime(cell, "%Y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None


_ORDER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_OPERATION = re.compile(r"[A-Za-z0-9-]{1,64}")


def _named_by(values: Mapping[str, str]) -> tuple[str, str]:
    """Give the order and the operation that a row names; empty where it does not."""
    order, operation = values["ORDER_ID"], values["TRANSACTION_UUID"]
    return order if _ORDER.fullmatch(order) else "", operation if _OPERATION.fullmatch(operation) else ""


def _oddities_in(values: Mapping[str, str], kind: JournalKind) -> Iterator[str]:
    """Tell what keeps a row from showing anything."""
    amount = _AMOUNT[kind]
    order, operation = _named_by(values)
    if not re.fullmatch(r"\d{1,12}", values[amount], re.ASCII) or not int(values[amount]):
        yield f"{amount} : une somme en centimes est attendue"
    if not order:
        yield "ORDER_ID : de 1 à 64 lettres, chiffres et tirets sont attendus"
    if not operation:
        yield "TRANSACTION_UUID : de 1 à 64 lettres et chiffres sont attendus"
    if values.get("CURRENCY", EURO) not in (EURO, "EUR"):
        yield "CURRENCY : seul l’euro est attendu"


_AMOUNT = {JournalKind.TRANSACTIONS: "AMOUNT", JournalKind.CHARGEBACKS: "CHARGEBACK_AMOUNT"}


def _transaction(values: Mapping[str, str], at: datetime) -> Evidence:
    operation, status = values["TRANSACTION_TYPE"], values["TRANSACTION_STATUS"]
    sequence = values.get("SEQUENCE_NUMBER", "")
    return Evidence(
        kind=shown_by(operation, status),
        transaction=values["TRANSACTION_UUID"],
        operation=operation,
        status=status,
        sequence=int(sequence) if re.fullmatch(r"\d{1,6}", sequence, re.ASCII) else 0,
        amount=Money(int(values["AMOUNT"])),
        at=at,
        channel=Channel.JOURNAL,
        authorisation=values.get("AUTHORISATION_ID", ""),
    )


def _chargeback(values: Mapping[str, str], at: datetime) -> Evidence:
    """Read an impayé: it is about the transaction that it takes back, which happens once."""
    return Evidence(
        kind=EvidenceKind.CHARGEBACK,
        transaction=values["TRANSACTION_UUID"],
        operation=DEBIT,
        status="CHARGEBACK",
        sequence=0,
        amount=Money(int(values["CHARGEBACK_AMOUNT"])),
        at=at,
        channel=Channel.JOURNAL,
    )


_EVIDENCE = {JournalKind.TRANSACTIONS: _transaction, JournalKind.CHARGEBACKS: _chargeback}
