"""What is seen of the mailbox in a browser."""

from typing import Any
from urllib.parse import quote

from pyramid.exceptions import PredicateMismatch
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import exception_view_config, notfound_view_config, view_config

from sevres_familles.sandbox.french import day_and_time
from sevres_familles.sandbox.mailbox.folder import Folder, Kept
from sevres_familles.sandbox.mailbox.letters import attachment, attachments_of, pieces_of, text_of

Values = dict[str, Any]

TEMPLATES = "sevres_familles.sandbox.mailbox:templates/"

#: How many mails the list shows.
LISTED = 100


@view_config(route_name="mails", request_method="GET", renderer=TEMPLATES + "mails.pt")
def list_mails(request: Request) -> Values:
    """List the latest mails, all or those of a recipient."""
    recipient = request.GET.get("destinataire", "").strip()
    mails = _folder(request).latest(LISTED, recipient)
    return {"recipient": recipient, "mails": [_line(mail) for mail in mails], "most": LISTED}


@view_config(route_name="mail", request_method="GET", renderer=TEMPLATES + "mail.pt")
def show_mail(request: Request) -> Values:
    """Show one mail: its text, and what is attached to it."""
    mail = _mail(request)
    text = text_of(mail.message)
    return {
        **_line(mail),
        "sender": mail.sender,
        "pieces": pieces_of(text) if text else [],
        "attachments": attachments_of(mail.message),
    }


@view_config(route_name="source", request_method="GET")
def give_source(request: Request) -> Response:
    """Give a mail as it came, to open in a mail program."""
    name = request.matchdict["name"]
    content = _folder(request).content(name)
    if content is None:
        raise HTTPNotFound
    return _download(content, f"{name}.eml")


@view_config(route_name="attachment", request_method="GET")
def give_attachment(request: Request) -> Response:
    """Give an attached file. It is always downloaded, never shown: it may hold a script."""
    found = attachment(_mail(request).message, int(request.matchdict["number"]))
    if found is None:
        raise HTTPNotFound
    about, content = found
    return _download(content, about.name)


@view_config(route_name="health", request_method="GET", renderer="json")
def tell_health(request: Request) -> Values:
    """Tell a program that the mailbox is open and its folder can be read."""
    _folder(request).latest(1)
    return {"status": "ok"}


@notfound_view_config(renderer=TEMPLATES + "message.pt")
def show_not_found(error: HTTPNotFound, request: Request) -> Values:
    """Say that there is nothing here."""
    request.response.status_int = 404
    return {
        "title": "Courrier introuvable",
        "text": "Ce courrier n’existe pas, ou il a été remplacé par de plus récents.",
    }


@exception_view_config(PredicateMismatch, renderer=TEMPLATES + "message.pt")
def show_wrong_method(error: PredicateMismatch, request: Request) -> Values:
    """Say that nothing can be sent to a page of the mailbox."""
    request.response.status_int = 405
    return {"title": "Demande non admise", "text": "Cette boîte se lit seulement. Les courriers y entrent par SMTP."}


def _folder(request: Request) -> Folder:
    folder: Folder = request.registry.folder
    return folder


def _mail(request: Request) -> Kept:
    mail = _folder(request).mail(request.matchdict["name"])
    if mail is None:
        raise HTTPNotFound
    return mail


def _line(mail: Kept) -> Values:
    return {
        "name": mail.name,
        "recipients": mail.recipients,
        "subject": mail.subject or "(sans objet)",
        "arrived_at": day_and_time(mail.arrived_at),
    }


def _download(content: bytes, name: str) -> Response:
    # No type but this one: a browser must not find a page or a picture in it.
    response = Response(content, content_type="application/octet-stream", charset=None)
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    return response
