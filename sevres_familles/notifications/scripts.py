"""The command of the notifications area: the mail worker."""

import logging
import signal
import threading
from contextlib import closing

import transaction
from pyramid.request import Request

from sevres_familles.domain import french
from sevres_familles.notifications.delivery import deliver_due
from sevres_familles.notifications.resources import Mail, MailKind, Outbox
from sevres_familles.web.root import portal_in
from sevres_familles.web.scripts import opened, parser
from sevres_familles.web.storage import end_on_failed_sync

log = logging.getLogger(__name__)


def deliver() -> None:
    """Send the mails that wait, round after round (``sevres-mail INI``)."""
    options = parser(deliver.__doc__)
    options.add_argument("--once", action="store_true", help="une seule tournée, puis fin")
    options.add_argument("--list", action="store_true", help="n’envoyer rien : dire ce qui attend, et ce qui a échoué")
    arguments = options.parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with opened(arguments.ini) as request:
        if arguments.list:
            print("\n".join(_state(request)))
        elif arguments.once:
            deliver_due(request.registry, stop.is_set)
        else:
            work(request, stop)


def work(request: Request, stop: threading.Event) -> None:
    """Send until told to stop; the mail under way is ended first."""
    pause = request.portal_settings.mail_pause.total_seconds()
    while not stop.is_set():
        try:
            deliver_due(request.registry, stop.is_set)
        except Exception as error:
            end_on_failed_sync(error)
            # Whatever it was (the database restarting, say), the next round tries again: nothing was lost.
            log.exception("A round of mails failed")
        stop.wait(pause)


def _state(request: Request) -> list[str]:
    """Tell how the outbox stands: the mails that were given up, then a line that sums up.  No address."""
    manager = transaction.TransactionManager(explicit=True)
    database = request.registry._zodb_databases[""]
    with closing(database.open(transaction_manager=manager)) as connection, manager:
        return report(portal_in(connection.root(), request.registry).stores["outbox"])


def _to_print(mail: Mail) -> str:
    """Name the invoices that their family was not told of: their letters are to be printed."""
    if mail.kind is not MailKind.INVOICES_ONLINE:
        return ""
    invoices = ", ".join(" ".join(each) for each in mail.context["invoices"])
    return f". À imprimer (sevres-print --family {mail.context['code']}) : {invoices}"


def report(outbox: Outbox) -> list[str]:
    """Write how an outbox stands."""
    lines = [
        f"Abandonné le {french.moment_text(mail.given_up_at)} : {mail.kind} {mail.message_id}, {mail.error}"
        f"{_to_print(mail)}"
        for mail in outbox.given_up()
        if mail.given_up_at
    ]
    oldest = outbox.oldest()
    since = f", le plus ancien du {french.moment_text(oldest)}" if oldest else ""
    return [*lines, f"{french.plural(len(outbox.waiting), 'message')} en attente{since}."]
