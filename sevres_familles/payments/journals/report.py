"""What came of a journal, in French, for the régisseur."""

from collections.abc import Sequence

from sevres_familles.domain import french
from sevres_familles.payments.gateways.port import JournalFault, JournalKind
from sevres_familles.payments.journals.resources import Report

_TITLES = {JournalKind.TRANSACTIONS: "Journal des transactions", JournalKind.CHARGEBACKS: "Journal des impayés"}


def report_lines(report: Report) -> list[str]:
    """Write what came of a journal; the last line sums it up."""
    lines = [f"{_TITLES[report.kind]} du {french.short_date(report.day)}, fichier {report.name}"]
    lines += [f"  empreinte SHA-256 {report.sha256}, repris le {french.moment_text(report.at)}"]
    lines += [f"  {french.plural(count, 'ligne')} : {verdict}" for verdict, count in report.counts]
    lines += [f"  ligne {each.line} : {each.reference}, {each.amount}, {each.verdict}" for each in report.told]
    lines += [
        f"  {each.reference} : accepté chez nous le {french.moment_text(each.at)}, absent de la banque"
        for each in report.absent
    ]
    return [*lines, summary(report)]


def summary(report: Report) -> str:
    """Sum a journal up in one line."""
    verdict = "à regarder" if report.has_troubles else "rien à regarder"
    return f"{report.name} : {french.plural(report.rows, 'ligne')}, {verdict}."


def fault_lines(name: str, faults: Sequence[JournalFault]) -> list[str]:
    """Write why a journal could not be read."""
    told = [f"  ligne {fault.line} : {fault.text}" if fault.line else f"  {fault.text}" for fault in faults]
    return [f"{name} : illisible, rien n’en est repris.", *told]
