"""What came of a journal, in French, for the régisseur."""

from collections.abc import Sequence

from sevres_familles.domain import french
from sevres_familles.payments.gateways.port import JournalFault, JournalKind
from sevres_familles.payments.journals.resources import Absent, Judged, MissingDay, Report

_TITLES = {JournalKind.TRANSACTIONS: "Journal des transactions", JournalKind.CHARGEBACKS: "Journal des impayés"}


def report_lines(report: Report) -> list[str]:
    """Write what came of a journal; the last line sums it up."""
    lines = [f"{_TITLES[report.kind]} du {french.short_date(report.day)}, fichier {report.name}"]
    lines += [f"  empreinte SHA-256 {report.sha256}, repris le {french.moment_text(report.at)}"]
    lines += [f"  {verdict} : {french.plural(count, 'ligne')}" for verdict, count in report.counts]
    lines += [f"  ligne {each.line} : {_row(each)}" for each in report.told]
    lines += [
        f"  {each.reference} : accepté chez nous le {french.moment_text(each.at)}, absent de la banque{_again(each)}"
        for each in report.absent
    ]
    lines += [
        f"  {french.short_date(each.day)} : journal des transactions manquant, à demander à la banque{_again(each)}"
        for each in report.missing
    ]
    return [*lines, summary(report)]


def _row(judged: Judged) -> str:
    amount = str(judged.amount) if judged.amount is not None else ""
    return ", ".join(filter(None, (judged.reference, amount, judged.why, judged.verdict)))


def _again(told: Absent | MissingDay) -> str:
    return "" if told.is_new else " (déjà signalé)"


def summary(report: Report) -> str:
    """Sum a journal up in one line."""
    verdict = "à regarder" if report.has_troubles else "rien à regarder"
    return f"{report.name} : {french.plural(report.rows, 'ligne')}, {verdict}."


def fault_lines(name: str, faults: Sequence[JournalFault]) -> list[str]:
    """Write why a journal could not be read."""
    told = [f"  ligne {fault.line} : {fault.text}" if fault.line else f"  {fault.text}" for fault in faults]
    return [f"{name} : illisible, rien n’en est repris.", *told]
