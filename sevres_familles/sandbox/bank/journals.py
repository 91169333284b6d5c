"""Write the journals of a day: JT (operations), JRB (remittances), JRI (impayés).

``;`` parts the cells. The first cell of a record is its kind: TITRE, then ENTETE, which names the
columns of the details, then the details, then FIN with their number. Sums are in cents. A journal
is a file of the bank's folder, written whole or not at all: ``JT_12345678_20261122.csv``.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sevres_familles.sandbox.bank.clock import A_DAY, written
from sevres_familles.sandbox.bank.messages import bank_moment
from sevres_familles.sandbox.bank.records import Operation, Payment, Status
from sevres_familles.sandbox.bank.shop import Shop
from sevres_familles.sandbox.bank.store import Store

#: What the bank keeps of each payment: 40 cents for 100 euros.
_COMMISSION_PER_MILLE = 4

_CONTRACT = "5201306"

Row = Mapping[str, str]


def write_journals(store: Store, shop: Shop, day: int, folder: Path) -> None:
    """Lay the three journals of a day in a folder."""
    since, until = day * A_DAY, (day + 1) * A_DAY
    operations = store.payments_changed(since, until)
    journals = {
        "JT": ("JOURNAL DES TRANSACTIONS", "TRANSACTION", _TRANSACTION, _transactions(store, shop, operations)),
        "JRB": ("JOURNAL DE RAPPROCHEMENT BANCAIRE", "MATCHING", _MATCHING, _matchings(store, operations, day)),
        "JRI": ("JOURNAL DES IMPAYES", "CHARGEBACK", _CHARGEBACK, _chargebacks(store, since, until)),
    }
    for name, (title, kind, columns, rows) in journals.items():
        head = ["TITRE", title, name, shop.site_id, written(day), bank_moment(until)]
        _write(folder / f"{name}_{shop.site_id}_{written(day)}.csv", head, kind, columns, rows)


def journal_files(folder: Path) -> list[Path]:
    """Return the journals of a folder, the newest day first."""
    return sorted(folder.glob("J*.csv"), key=lambda file: (file.stem.rsplit("_", 1)[-1], file.name), reverse=True)


_TRANSACTION = (
    "TRANSACTION_ID",
    "MERCHANT_ID",
    "PAYMENT_MEANS",
    "CONTRACT",
    "TRANSACTION_TYPE",
    "ORIGIN_AMOUNT",
    "AMOUNT",
    "CURRENCY",
    "TRANSACTION_DATE",
    "ORDER_ID",
    "TRANSACTION_UUID",
    "SEQUENCE_NUMBER",
    "TRANSACTION_STATUS",
    "AUTHORISATION_ID",
)


def _transactions(store: Store, shop: Shop, operations: Sequence[Payment]) -> Iterator[Row]:
    """Write each operation of the day but abandonments, which are none to a bank."""
    for each in operations:
        if each.status is not Status.ABANDONED:
            yield {
                "TRANSACTION_ID": _trans_id(store, each),
                "MERCHANT_ID": shop.site_id,
                "PAYMENT_MEANS": "VISA",
                "CONTRACT": _CONTRACT,
                "TRANSACTION_TYPE": each.operation,
                "ORIGIN_AMOUNT": str(each.amount),
                "AMOUNT": str(each.amount),
                "CURRENCY": "978",
                "TRANSACTION_DATE": bank_moment(each.created_at),
                "ORDER_ID": each.order_id,
                "TRANSACTION_UUID": each.uuid,
                "SEQUENCE_NUMBER": str(each.sequence),
                "TRANSACTION_STATUS": each.status,
                "AUTHORISATION_ID": each.auth_number,
            }


_MATCHING = (
    "PAYMENT_DATE",
    "TRANSACTION_ID",
    "ORIGIN_AMOUNT",
    "ORDER_ID",
    "OPERATION_TYPE",
    "REMITTANCE_DATE",
    "BRUT_AMOUNT",
    "MATCH_STATUS",
    "REMITTANCE_NB",
    "NET_AMOUNT",
    "COMMISSION_AMOUNT",
)


def _matchings(store: Store, operations: Sequence[Payment], day: int) -> Iterator[Row]:
    """Write what was remitted that day, and what the bank keeps of it."""
    for each in operations:
        if each.status is Status.CAPTURED:
            is_debit = each.operation is Operation.DEBIT
            commission = each.amount * _COMMISSION_PER_MILLE // 1000 if is_debit else 0
            yield {
                "PAYMENT_DATE": bank_moment(each.created_at)[:8],
                "TRANSACTION_ID": _trans_id(store, each),
                "ORIGIN_AMOUNT": str(each.amount),
                "ORDER_ID": each.order_id,
                "OPERATION_TYPE": "DT" if is_debit else "CT",
                "REMITTANCE_DATE": written(day),
                "BRUT_AMOUNT": str(each.amount),
                "MATCH_STATUS": "MATCHED",
                "REMITTANCE_NB": f"{day % 1_000_000:06d}",
                "NET_AMOUNT": str(each.amount - commission),
                "COMMISSION_AMOUNT": str(commission),
            }


_CHARGEBACK = (
    "CHARGEBACK_REFERENCE",
    "CHARGEBACK_DATE",
    "TRANSACTION_ID",
    "TRANSACTION_UUID",
    "ORDER_ID",
    "ORIGIN_AMOUNT",
    "CHARGEBACK_AMOUNT",
    "REASON",
)


def _chargebacks(store: Store, since: float, until: float) -> Iterator[Row]:
    for each in store.chargebacks(since, until):
        payment = store.payment(each.uuid)
        if payment is not None:
            yield {
                "CHARGEBACK_REFERENCE": each.reference,
                "CHARGEBACK_DATE": bank_moment(each.at),
                "TRANSACTION_ID": _trans_id(store, payment),
                "TRANSACTION_UUID": each.uuid,
                "ORDER_ID": each.order_id,
                "ORIGIN_AMOUNT": str(payment.amount),
                "CHARGEBACK_AMOUNT": str(each.amount),
                "REASON": "CONTESTATION DU PORTEUR",
            }


def _trans_id(store: Store, payment: Payment) -> str:
    page = store.page(payment.token)
    return page.fields["vads_trans_id"] if page else ""


def _write(file: Path, head: Sequence[str], kind: str, columns: Sequence[str], rows: Iterator[Row]) -> None:
    details = [[kind, *(row[name] for name in columns)] for row in rows]
    records = [head, ["ENTETE", *columns], *details, ["FIN", str(len(details))]]
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".part")
    draft.write_text("".join(f"{';'.join(cells)}\r\n" for cells in records), encoding="utf-8", newline="")
    with draft.open("rb") as kept:
        os.fsync(kept.fileno())
    draft.replace(file)


def day_written(file: Path) -> str:
    """Return the day of a journal as people read it: 22/11/2026."""
    return datetime.strptime(file.stem.rsplit("_", 1)[-1], "%Y%m%d").replace(tzinfo=UTC).strftime("%d/%m/%Y")
