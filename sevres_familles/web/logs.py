"""The log: one line of JSON an event, which nobody can forge and which tells nothing personal (requirements S31, S32).

Values are written by `json`, ASCII alone, so that no line end and no escape sequence of a request reaches the file.
What libraries say is cleaned of addresses and tokens; a trace holds code and the kind of the fault, never its words,
which may be what a family typed.  Families and visitors are named by keyed hashes: two lines about one family can be
told to be so, and the family not.

A request is one line: method, what it met in the tree (``FamilyAccount/payer``, never the path, which has the family's
code), status, duration, and the reference that the page of a fault shows.  Events of security are lines of their own,
written once their transaction is committed.
"""

import hmac
import json
import logging
import re
import secrets
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response
from pyramid.threadlocal import get_current_request
from pyramid.tweens import INGRESS
from pyramid_retry import is_error_retryable

from sevres_familles.web.settings import Settings

OURS = "sevres_familles"
access_log = logging.getLogger(f"{OURS}.access")
security_log = logging.getLogger(f"{OURS}.security")

#: What libraries may repeat of a request: who a family is, the token of a link, an e-mail address.
_PERSONAL = re.compile(
    r"(?<=/familles/)[^/\s?]+|(?<=/nouveau-mot-de-passe/)\S+|(?<=/confirmer-mon-adresse/)\S+"
    r"|[^\s<>@]+@[^\s<>@]+|\b[0-9a-fA-F]{32,}\b"
)
_STARTED = "sevres.started"
_REFERENCE = "sevres.reference"


class JsonFormatter(logging.Formatter):
    """A formatter that writes each record as one line of JSON.

    In an ini: ``[formatter_json]``, ``class = sevres_familles.web.logs.JsonFormatter``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {"at": at, "level": record.levelname, "log": record.name, "message": _message(record)}
        request = get_current_request()
        if request is not None and hasattr(request, "reference"):
            line["reference"] = request.reference
        line |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1] is not None:
            line["fault"] = _fault(record.exc_info[1])
        return json.dumps(line, default=str)


def _message(record: logging.LogRecord) -> str:
    try:
        words = record.getMessage()
    except (TypeError, ValueError):
        words = str(record.msg)
    return words if record.name.startswith(OURS) else _PERSONAL.sub("*", words)


def _fault(error: BaseException) -> list[str]:
    """Tell where an error and what caused it were raised: kinds and places, without a word of what it was about."""
    told = []
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        told.append(type(each).__name__)
        told += _places(each.__traceback__)
        each = each.__cause__ or each.__context__
    return told


def _places(trace: TracebackType | None) -> list[str]:
    return [f"{each.filename}:{each.lineno} {each.name}" for each in traceback.extract_tb(trace)]


def alias(settings: Settings, text: str) -> str:
    """Name a family or a visitor in the log: a keyed hash of 48 bits, the same for the same one."""
    return hmac.digest(settings.secret("tokens.key"), b"log\0" + text.encode(), "sha256").hex()[:12]


def tell(portal: Any, event: str, **facts: Any) -> None:
    """Log an event of security once the transaction under way is committed; nothing if it is undone.

    ``facts`` hold nothing personal: families and visitors by their `alias`.
    """
    portal._p_jar.transaction_manager.get().addAfterCommitHook(_tell, (event, facts))


def _tell(is_committed: bool, event: str, facts: dict[str, Any]) -> None:
    if is_committed:
        tell_now(event, **facts)


def tell_now(event: str, **facts: Any) -> None:
    """Log an event of security that writes nothing: a refusal."""
    security_log.info(event, extra={"facts": facts})


def reference(request: Request) -> str:
    """Give the reference of a request, which the page of a fault shows and every line of the log carries."""
    return request.environ.setdefault(_REFERENCE, secrets.token_hex(4).upper())  # type: ignore[no-any-return]


def access_tween_factory(handler: Callable[[Request], Response], registry: Any) -> Callable[[Request], Response]:
    """Make the tween that writes a line a request: the last attempt alone, with the time of all."""
    names = _view_names(registry)

    def note(request: Request) -> Response:
        started = request.environ.setdefault(_STARTED, time.monotonic())
        response = handler(request)
        if not is_error_retryable(request, getattr(request, "exception", None)):
            seconds = time.monotonic() - started
            met = _met(request, names)
            facts = {"method": _method(request), "met": met, "status": response.status_int, "ms": round(seconds * 1000)}
            access_log.info("request", extra={"facts": facts})
            for listener in registry.request_listeners:
                listener(facts["method"], met, response.status_int, seconds)
        return response

    return note


def _view_names(registry: Any) -> frozenset[str]:
    views = registry.introspector.get_category("views") or ()
    return frozenset(str(each["introspectable"]["name"]) for each in views)


def _method(request: Request) -> str:
    """Give the method; a strange one is what the visitor wrote."""
    return request.method if request.method in ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE") else "other"


def _met(request: Request, names: frozenset[str]) -> str:
    """Tell what a request met, in our own words alone."""
    route = getattr(request, "matched_route", None)
    if route is not None:
        return str(route.name).split("/")[0].strip("_") or "file"
    context, view = getattr(request, "context", None), getattr(request, "view_name", "")
    if context is None or isinstance(context, Exception) or view not in names:
        return "nothing"
    return f"{type(context).__name__}/{view}".rstrip("/")


def includeme(config: Configurator) -> None:
    """Add the line of each request, and ``request.reference``."""
    config.registry.request_listeners = []
    config.add_request_method(reference, "reference", property=True)
    config.add_tween("sevres_familles.web.logs.access_tween_factory", under=INGRESS)
