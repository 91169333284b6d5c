"""The words of mails: what a waiting mail becomes when it leaves.

A template of ``templates/mail`` gives the subject in its first line, then the text.  Links are made here, from the
public address of the settings, never from a request's Host (requirements S23), and their tokens with a key that is not
in the database.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from pyramid.interfaces import IRequestExtensions
from pyramid.renderers import render
from pyramid.request import Request, apply_request_extensions
from pyramid.threadlocal import RequestContext
from pyramid_mailer.message import Attachment

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceStatus
from sevres_familles.domain.ledger import EntryKind
from sevres_familles.domain.money import NO_BREAK_SPACE, Money
from sevres_familles.families.delivery import BY_FAMILY, BY_PORTAL
from sevres_familles.identity.events import ResetLink
from sevres_familles.identity.links import confirmation_url, reset_url
from sevres_familles.notifications.resources import Mail, MailKind
from sevres_familles.notifications.transport import Letter
from sevres_familles.payments.documents import MEANS, receipt_of, receipt_pdf
from sevres_familles.regies.resources import Invoice
from sevres_familles.web.root import Portal
from sevres_familles.web.town import Contact


def compose(registry: Any, portal: Portal, mail: Mail, now: datetime) -> Letter:
    """Write a mail.

    :raises KeyError: when what it is about is not there any more.
    """
    request = _request(registry, portal)
    with RequestContext(request):
        return _letter(request, mail, now)


def _letter(request: Request, mail: Mail, now: datetime) -> Letter:
    values, attachments = _WRITERS[mail.kind](request, mail)
    values = {"contact": request.town.contact} | values
    values["reach"] = _reach(values["contact"])
    subject, _, body = _render(request, mail.kind, values).partition("\n")
    # Whom to call is said once.
    values["is_reach_told"] = values["reach"] in body
    return Letter(
        subject=f"[Recette] {subject}" if request.portal_settings.is_rehearsal else subject,
        sender=request.portal_settings.mail_sender,
        recipients=[mail.recipient],
        body=f"{body.strip()}\n\n{_render(request, 'signature', values)}",
        attachments=attachments,
        extra_headers=_headers(request, mail, now),
    )


def _reach(contact: Contact) -> str:
    """Say by what to reach a service: its telephones; without any its address, electronic or not."""
    return " ou ".join(contact.phones) or contact.email or ", ".join((contact.service, *contact.address))


def _headers(request: Request, mail: Mail, now: datetime) -> dict[str, str]:
    headers = {
        "Message-ID": mail.message_id,
        "Date": format_datetime(now),
        # Absence notices and other robots leave it unanswered (RFC 3834).
        "Auto-Submitted": "auto-generated",
    }
    if request.town.contact.email:
        headers["Reply-To"] = request.town.contact.email
    return headers


def _request(registry: Any, portal: Portal) -> Request:
    """Make the request that templates and links need, at the public address."""
    request = Request.blank("/", base_url=registry.settings_of_portal.public_url)
    request.registry, request.context = registry, portal
    apply_request_extensions(request, registry.queryUtility(IRequestExtensions))
    return request


def _render(request: Request, name: str, values: Mapping[str, Any]) -> str:
    text: bytes = render(f"sevres_familles:templates/mail/{name}.txt", dict(values), request)
    return text.decode()


Parts = tuple[dict[str, Any], list[Attachment]]


def _identifiers(request: Request, mail: Mail) -> Parts:
    links = [(each["code"], reset_url(request, ResetLink(**each))) for each in mail.context["links"]]
    dead_at = mail.written_at + request.portal_settings.reset_life
    return {"links": links, "asked_at": mail.written_at, "dead_at": dead_at}, []


def _password_changed(request: Request, mail: Mail) -> Parts:
    forgotten_url = request.resource_url(request.portal, "identifiants-oublies")
    return {"code": mail.context["code"], "changed_at": mail.written_at, "forgotten_url": forgotten_url}, []


def _email_confirmation(request: Request, mail: Mail) -> Parts:
    code = mail.context["code"]
    dead_at = mail.written_at + request.portal_settings.confirmation_life
    return {"code": code, "url": confirmation_url(request, code, mail.context["nonce"]), "dead_at": dead_at}, []


def _new_device(request: Request, mail: Mail) -> Parts:
    values = {
        "code": mail.context["code"],
        "device": mail.context["device"],
        "at": mail.written_at,
        "sessions_url": request.resource_url(request.portal, "vos-connexions"),
        "forgotten_url": request.resource_url(request.portal, "identifiants-oublies"),
    }
    return values, []


def _email_replaced(request: Request, mail: Mail) -> Parts:
    values = {
        "code": mail.context["code"],
        "at": mail.written_at,
        "email_url": request.resource_url(request.portal, "confirmer-mon-e-mail"),
        "forgotten_url": request.resource_url(request.portal, "identifiants-oublies"),
        "password_url": request.resource_url(request.portal, "mot-de-passe"),
    }
    return values, []


def _delivery_chosen(request: Request, mail: Mail) -> Parts:
    family = request.portal["familles"][mail.context["code"]]
    url = request.resource_url(family, "recevoir-vos-factures")
    by = mail.context["by"]
    values = {
        "code": family.code,
        "electronic": mail.context["electronic"],
        "is_by_family": by == BY_FAMILY,
        "is_by_portal": by == BY_PORTAL,
        "at": mail.written_at,
        "url": url,
    }
    return values, []


def _invoices_online(request: Request, mail: Mail) -> Parts:
    family = request.portal["familles"][mail.context["code"]]
    accounts = family["comptes"]
    invoices = [accounts[regie][name] for regie, name in mail.context["invoices"]]
    standing = [(each, each.status(request.today)) for each in invoices]
    values = {
        "invoices": [
            (_line(each.facts.label), each, _what_to_do(each, status), request.resource_url(each))
            for each, status in standing
        ],
        "is_payable": any(status.payable for _, status in standing),
        "delivery_url": request.resource_url(family, "recevoir-vos-factures"),
    }
    return values, []


def _what_to_do(invoice: Invoice, status: InvoiceStatus) -> str:
    """Say until when an invoice is to be paid; how it stands when it is not, for it may be paid by now."""
    if status.payable:
        return f"À payer avant le {french.long_date(invoice.facts.due_on)}"
    return f"État{NO_BREAK_SPACE}: {status.state}"


def _receipt(request: Request, mail: Mail) -> Parts:
    number = mail.context["number"]
    payment = request.portal["paiements"][mail.context["payment"]]
    receipt = receipt_of(payment, number)
    regie = payment.account.regie.description
    values = {
        "receipt": receipt,
        "payment": payment,
        "regie": regie,
        "contact": regie.contact,
        "means": MEANS,
        "shares": [_share(payment.account.invoices[share.invoice], share.amount) for share in receipt.shares],
        "url": request.resource_url(payment),
    }
    pdf = Attachment(f"recu-{number}.pdf", "application/pdf", receipt_pdf(request, payment, number))
    return values, [pdf]


#: The subject of a mail about money that went back.
_RETURNED = {
    EntryKind.REFUND: "Remboursement de votre paiement",
    EntryKind.VOID: "Annulation de votre paiement",
    EntryKind.CHARGEBACK: "Votre banque a repris votre paiement",
}


def _money_returned(request: Request, mail: Mail) -> Parts:
    payment = request.portal["paiements"][mail.context["payment"]]
    told = mail.context["kind"], mail.context["transaction"]
    fact = next(each for each in payment.posted if (each.kind, each.transaction) == told)
    today = french.local(mail.written_at).date()
    invoices = (payment.account.invoices[share.invoice] for share in payment.shares)
    due = [(each, each.status(today)) for each in invoices]
    values = {
        "subject": _RETURNED[fact.kind],
        "fact": fact,
        "is_refund": fact.kind is EntryKind.REFUND,
        "is_void": fact.kind is EntryKind.VOID,
        "payment": payment,
        "contact": payment.account.regie.description.contact,
        "due": [_share(invoice, status.due) for invoice, status in due if status.payable],
        "at": mail.written_at,
        "url": request.resource_url(payment),
    }
    return values, []


def _share(invoice: Invoice, amount: Money) -> tuple[str, str, Money]:
    """Say what went to an invoice."""
    return _line(invoice.facts.label), invoice.reference, amount


def _line(label: str) -> str:
    """Keep a label on one line: one with a line end in it could look like words of ours."""
    return " ".join(label.split())


_WRITERS: Mapping[MailKind, Callable[[Request, Mail], Parts]] = {
    MailKind.IDENTIFIERS: _identifiers,
    MailKind.PASSWORD_CHANGED: _password_changed,
    MailKind.EMAIL_CONFIRMATION: _email_confirmation,
    MailKind.RECEIPT: _receipt,
    MailKind.MONEY_RETURNED: _money_returned,
    MailKind.NEW_DEVICE: _new_device,
    MailKind.EMAIL_REPLACED: _email_replaced,
    MailKind.DELIVERY_CHOSEN: _delivery_chosen,
    MailKind.INVOICES_ONLINE: _invoices_online,
}
