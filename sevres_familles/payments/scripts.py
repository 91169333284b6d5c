"""Commands of the payments area: the asking worker, and the verification of the books."""

import logging
import signal
import sqlite3
import sys
import threading

import transaction

from sevres_familles.domain import french
from sevres_familles.domain.payment import PaymentState
from sevres_familles.payments.asking import Waiting, ask_all, waiting
from sevres_familles.payments.checking import Findings, verify_portal
from sevres_familles.payments.records import Unclassified
from sevres_familles.payments.retention import ImportUnderWay, purge
from sevres_familles.web.root import portal_in
from sevres_familles.web.scripts import opened, parser
from sevres_familles.web.storage import end_on_failed_sync

log = logging.getLogger(__name__)


def ask() -> None:
    """Ask the bank about payments that have no end yet, round after round (``sevres-ask INI``)."""
    options = parser(ask.__doc__)
    options.add_argument("--once", action="store_true", help="une seule tournée, puis fin")
    options.add_argument("--list", action="store_true", help="n’interroge rien : liste les paiements à suivre")
    arguments = options.parse_args()
    if arguments.list:
        print("\n".join(_waiting_lines(arguments.ini)))
        return
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with opened(arguments.ini) as request:
        pause = request.portal_settings.ask_pause.total_seconds()
        while not stop.is_set():
            try:
                ask_all(request.registry)
            except Exception as error:
                end_on_failed_sync(error)
                # Whatever it was (the database restarting, say), the next round tries again: nothing was lost.
                log.exception("A round of asking failed")
            if arguments.once:
                break
            stop.wait(pause)


def _waiting_lines(ini: str) -> list[str]:
    """Write which payments are followed at the bank: those that have no end, and those that may still have another."""
    with opened(ini) as request:
        manager = transaction.TransactionManager(explicit=True)
        connection = request.registry._zodb_databases[""].open(transaction_manager=manager)
        try:
            with manager:
                payments = portal_in(connection.root(), request.registry)["paiements"]
                known = waiting(payments)
                lines = [_waiting_line(each) for each in known]
                unanswered = sum(each.payment.is_open for each in known)
        finally:
            connection.close()
    what = "paiement à suivre auprès de la banque", "paiements à suivre auprès de la banque"
    return [*lines, f"{french.plural(len(known), *what)}, dont {unanswered} sans réponse définitive."]


def _waiting_line(each: Waiting) -> str:
    what = (
        "à vérifier auprès de la banque, qui n’est plus interrogée depuis le"
        if each.is_left
        else "prochaine question le"
    )
    return (
        f"{each.payment.reference} : {each.payment.amount}, {STATES[each.payment.state]}, "
        f"commencé le {french.moment_text(each.payment.opened_at)}, {what} {french.moment_text(each.at)}"
    )


#: How a payment that has no end stands, in a word.
STATES = {
    PaymentState.CREATED: "créé",
    PaymentState.REDIRECTED: "parti à la banque",
    PaymentState.PENDING: "en vérification à la banque",
    PaymentState.REFUSED: "refusé, une autre carte reste possible",
    PaymentState.CANCELLED: "annulé",
    PaymentState.EXPIRED: "expiré",
    PaymentState.ACCEPTED: "accepté",
    PaymentState.CAPTURED: "remis en banque",
    PaymentState.RECONCILED: "pointé",
}


def verify() -> None:
    """Verify books and database, and answer in one line (``sevres-verify INI``); its status is 1 on a fault."""
    options = parser(verify.__doc__)
    options.add_argument(
        "--details",
        action="store_true",
        help="nomme chaque anomalie, alerte, recette à classer et numéro de reçu laissé de côté",
    )
    arguments = options.parse_args()
    try:
        findings = _findings(arguments.ini)
    except sqlite3.DatabaseError as damage:
        print(f"La base ne se lit pas : {damage}.")
        sys.exit(1)
    lines = report(findings)
    print("\n".join(lines if arguments.details else lines[-1:]))
    sys.exit(1 if findings.faults else 0)


def _findings(ini: str) -> Findings:
    with opened(ini) as request:
        manager = transaction.TransactionManager(explicit=True)
        connection = request.registry._zodb_databases[""].open(transaction_manager=manager)
        try:
            with manager:
                return verify_portal(portal_in(connection.root(), request.registry))
        finally:
            connection.close()


def purge_portal() -> None:
    """Purge what is kept no longer: pieces of ten years, old attempts, tokens (``sevres-purge INI [--dry-run]``)."""
    options = parser(purge_portal.__doc__)
    options.add_argument("--dry-run", action="store_true", help="dit ce qui serait effacé, et ne change rien")
    arguments = options.parse_args()
    with opened(arguments.ini) as request:
        try:
            counts = purge(request.registry, is_trial=arguments.dry_run)
        except ImportUnderWay:
            sys.exit(
                "Un import est en cours, ou s’est interrompu : rien n’est effacé tant qu’il dure. Attendez sa fin, "
                "ou relancez l’import interrompu, puis recommencez ; ce qui était déjà effacé le reste."
            )
    told = ", ".join(french.plural(counts[name], *words) for name, words in _PURGED.items())
    print(f"{'À effacer' if arguments.dry_run else 'Effacé'} : {told}.")


#: What a purge counts, as people read it.
_PURGED = {
    "entries": ("écriture",),
    "invoices": ("facture",),
    "payments": ("paiement",),
    "journals": ("journal de la banque", "journaux de la banque"),
    "attempts": ("tentative sans paiement", "tentatives sans paiement"),
    "families": ("famille",),
    "tokens": ("accès périmé", "accès périmés"),
}


def _whose(record: Unclassified) -> str:
    return f"régie {record.regie}, famille {record.family}" if record.family else "famille inconnue, compte d’attente"


def report(findings: Findings) -> list[str]:
    """Write what a verification found, its last line being the verdict."""
    lines = [f"ANOMALIE : {fault}" for fault in findings.faults]
    lines += [
        f"Alerte du {french.moment_text(alert.at)} : {alert.reference or 'sans paiement'}, {alert.text}"
        for alert in findings.alerts
    ]
    lines += [
        f"Recette à classer du {french.moment_text(each.at)} : {each.amount}, {_whose(each)}, "
        f"paiement {each.reference}, opération {each.transaction}"
        for each in findings.unclassified
    ]
    lines += [
        f"Numéros de reçu laissés de côté le {french.moment_text(each.at)} par {each.by} ({each.why}) : "
        f"de {each.first} à {each.last}"
        for each in findings.gaps
    ]
    verdict = french.plural(len(findings.faults), "anomalie") if findings.faults else "aucune anomalie"
    lines.append(
        f"Vérifié : {french.plural(findings.accounts, 'compte')}, {french.plural(findings.entries, 'écriture')}, "
        f"{french.plural(findings.payments, 'paiement')} ; {verdict}, {french.plural(len(findings.alerts), 'alerte')}, "
        f"{french.plural(len(findings.unclassified), 'recette')} à classer."
    )
    return lines
