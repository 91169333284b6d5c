"""Error pages: what went wrong, what happened to the money, what to do.  No trace, no path (requirements S30)."""

import logging
from collections.abc import Mapping

from pyramid.config import Configurator
from pyramid.exceptions import BadCSRFOrigin, BadCSRFToken
from pyramid.httpexceptions import HTTPError, HTTPException, HTTPForbidden, HTTPSeeOther
from pyramid.renderers import render_to_response
from pyramid.request import Request
from pyramid.response import Response
from pyramid.traversal import resource_path_tuple, traversal_path_info
from transaction.interfaces import TransientError

from sevres_familles.web.logs import alias, tell_now
from sevres_familles.web.root import DatabaseNotReady
from sevres_familles.web.sessions import has_session, has_timed_out
from sevres_familles.web.storage import UNAVAILABLE, end_on_failed_sync

log = logging.getLogger(__name__)

#: Ways from the portal behind which everything needs a sign-in, so that nothing there tells whether it exists.
PROTECTED = frozenset(
    {("familles",), ("paiements",), ("mot-de-passe",), ("confirmer-mon-e-mail",), ("vos-connexions",)}
)

_PAGES: Mapping[int, tuple[str, str]] = {
    400: ("Cette demande n’a pas pu être lue", "Revenez à la page précédente, rechargez-la, puis recommencez."),
    404: ("Cette page n’existe pas", "L’adresse est peut-être mal recopiée, ou la page a été retirée."),
    405: ("Cette page ne s’ouvre pas ainsi", "Revenez à l’accueil et suivez les liens."),
    409: ("Cette action n’est plus possible", "La situation a changé entre-temps. Revenez en arrière et rechargez."),
    413: ("Cette demande est trop longue", "Raccourcissez votre texte, puis recommencez."),
    422: ("Cette demande n’est pas possible", "Vérifiez les informations, puis recommencez."),
    429: ("Trop de demandes à la fois", "Attendez une minute, puis recommencez."),
    500: ("Une erreur est survenue chez nous", "Elle est enregistrée. Réessayez dans quelques minutes."),
    503: ("Le service est momentanément indisponible", "Réessayez dans quelques minutes."),
}

#: A fault of ours says nothing about what the bank did meanwhile, so it must not promise anything.
_MONEY = (
    "Ne payez pas une seconde fois. Si la banque a accepté votre paiement, "
    "il apparaîtra dans votre espace, même si cette page ne s’affiche pas."
)


def error_page(request: Request, status: int, *, detail: str = "") -> Response:
    """Make the page of an error.

    A fault of ours, and a refusal before the tree was reached, get a page that needs neither database nor session.  A
    fault of ours shows the reference of the request, under which the log tells what happened.
    """
    title, advice = _PAGES.get(status, _PAGES[500] if status >= 500 else _PAGES[400])
    is_ours = status >= 500
    values = {
        "title": title,
        "advice": detail or advice,
        "money": _MONEY if is_ours else "",
        "reference": request.reference if is_ours else "",
    }
    template = "bare_error" if is_ours or getattr(request, "root", None) is None else "error"
    response = render_to_response(f"sevres_familles:templates/errors/{template}.pt", values, request=request)
    response.status_int = status
    return response


def not_found(error: HTTPException, request: Request) -> Response:
    """Answer what does not exist, and what is somebody else's, the same way (requirements S2).

    Signed out, every address of a family leads to Connexion, existing or not.  Who came in with the printed password is
    led back to the choice of a password.
    """
    identity = request.identity
    if identity is None and is_protected(request):
        return to_sign_in(request)
    if identity is not None and identity.confined_to and is_protected(request):
        return HTTPSeeOther(request.resource_url(request.portal, identity.confined_to))
    return error_page(request, 404)


def forbidden(error: HTTPForbidden, request: Request) -> Response:
    """Answer what may not be seen as if it did not exist."""
    if request.identity is not None:
        tell_now("access refused", family=alias(request.portal_settings, request.identity.code))
    return not_found(error, request)


def is_protected(request: Request) -> bool:
    """Tell whether an address stands where everything needs a sign-in, as traversal reads it, wherever the seat is."""
    way = traversal_path_info(request.environ["PATH_INFO"])
    seat = resource_path_tuple(request.portal)[1:]
    return way[: len(seat)] == seat and way[len(seat) :][:1] in PROTECTED


def to_sign_in(request: Request) -> Response:
    """Send the browser to Connexion, which sends it back here afterwards."""
    query = {"retour": request.path} if request.method == "GET" else {}
    if request.method == "POST" and not request.session.peek_flash("warn"):
        request.session.flash(
            "Vous étiez déconnecté\u00a0: rien n’a été enregistré ni débité. Reconnectez-vous.", "warn"
        )
    return HTTPSeeOther(request.resource_url(request.portal, "connexion", query=query))


def bad_csrf(error: HTTPException, request: Request) -> Response:
    """Answer a form whose token is not ours: most often a page left open too long, whose session is over."""
    tell_now("form refused", why=type(error).__name__)
    if has_session(request) and has_timed_out(request):
        request.session.flash(
            "Cette page était ouverte depuis trop longtemps\u00a0: la session est terminée. "
            "Rien n’a été enregistré ni débité. Connectez-vous, puis recommencez.",
            "warn",
        )
        return to_sign_in(request)
    return error_page(
        request,
        400,
        detail="Cette page était ouverte depuis trop longtemps, ou votre navigateur refuse les cookies. "
        "Rien n’a été enregistré ni débité. Rechargez la page, puis recommencez.",
    )


def client_error(error: HTTPError, request: Request) -> Response:
    """Answer any other refusal, with what its author said to do."""
    tell_now("request refused", status=error.status_int)
    response = error_page(request, error.status_int, detail=error.detail or "")
    if "Retry-After" in error.headers:
        response.headers["Retry-After"] = error.headers["Retry-After"]
    return response


def unreadable(error: UnicodeDecodeError, request: Request) -> Response:
    """Answer an address or a form that is not UTF-8: only what came from outside is decoded here."""
    return error_page(request, 400)


def not_ready(error: Exception, request: Request) -> Response:
    """Answer while the database is not there."""
    log.error("The database is not ready: run sevres-init.")
    return _unavailable(request)


def met_another(error: Exception, request: Request) -> Response:
    """Answer an attempt that met another and is made again: nobody sees it, and it is no fault."""
    return Response(status=503)


def too_busy(error: Exception, request: Request) -> Response:
    """Answer when every attempt met a conflict: nothing was written."""
    log.warning("Gave up after the last attempt: %s", type(error).__name__)
    return _unavailable(request)


def unreachable(error: Exception, request: Request) -> Response:
    """Answer while the database does not answer: nothing was written."""
    end_on_failed_sync(error)
    log.critical("The database does not answer: %s", type(error).__name__)
    return _unavailable(request)


def _unavailable(request: Request) -> Response:
    response = error_page(request, 503)
    response.headers["Retry-After"] = "30"
    return response


def failure(error: Exception, request: Request) -> Response:
    """Answer a fault of ours."""
    log.error("A fault of ours, reference %s", request.reference, exc_info=error)
    return error_page(request, 500)


def includeme(config: Configurator) -> None:
    """Add the error pages."""
    config.add_notfound_view(not_found)
    config.add_forbidden_view(forbidden)
    for context, view in (
        (BadCSRFToken, bad_csrf),
        (BadCSRFOrigin, bad_csrf),
        (DatabaseNotReady, not_ready),
        *((unavailable, unreachable) for unavailable in UNAVAILABLE),
        (HTTPError, client_error),
        (UnicodeDecodeError, unreadable),
        (Exception, failure),
    ):
        config.add_exception_view(view, context=context)
    config.add_exception_view(met_another, context=TransientError)
    config.add_exception_view(too_busy, context=TransientError, last_retry_attempt=True)
