"""What the bank is, how it is doing, and its answers to programs and lost visitors."""

from typing import Any

from pyramid.exceptions import PredicateMismatch
from pyramid.httpexceptions import HTTPForbidden, HTTPNotFound, HTTPSeeOther
from pyramid.request import Request
from pyramid.view import (
    exception_view_config,
    forbidden_view_config,
    notfound_view_config,
    view_config,
)

from sevres_familles.sandbox.bank.cards import SCENARIOS
from sevres_familles.sandbox.bank.counter import PageUnknown
from sevres_familles.sandbox.bank.rest import Desk, Json

Values = dict[str, Any]

TEMPLATES = "sevres_familles.sandbox.bank:templates/"


@view_config(route_name="home", request_method="GET", renderer=TEMPLATES + "home.pt")
def show_home(request: Request) -> Values:
    """Say what this bank is, and that it is none."""
    return {"scenarios": SCENARIOS}


@view_config(route_name="root", request_method="GET")
@view_config(route_name="nearly_home", request_method="GET")
def lead_home(request: Request) -> HTTPSeeOther:
    """Lead to the bank whoever typed nearly its address."""
    return HTTPSeeOther(request.route_url("home"))


@view_config(route_name="health", request_method="GET", renderer="json")
def tell_health(request: Request) -> Json:
    """Tell a program that the bank is open and its memory can be read."""
    request.registry.counter.store.next_due()
    return {"status": "ok", "mode": request.registry.counter.shop.mode}


@view_config(route_name="rest", request_method="POST", renderer="json")
def answer_program(request: Request) -> Json:
    """Answer a question of the shop's programs."""
    desk = Desk(request.registry.back_office)
    return desk.answer(request.matchdict["service"], request.headers.get("Authorization", ""), request.body)


@exception_view_config(PageUnknown, renderer=TEMPLATES + "message.pt")
@notfound_view_config(renderer=TEMPLATES + "message.pt")
def show_not_found(error: HTTPNotFound | PageUnknown, request: Request) -> Values:
    """Say that there is nothing here."""
    request.response.status_int = 404
    return {
        "title": "Page introuvable",
        "text": "Il n’y a rien à cette adresse. Vérifiez-la, ou revenez à la boutique.",
    }


@forbidden_view_config(renderer=TEMPLATES + "message.pt")
def show_forbidden(error: HTTPForbidden, request: Request) -> Values:
    """Say that a form did not come from here."""
    request.response.status_int = 403
    return {
        "title": "Demande refusée",
        "text": "Cette demande vient d’un autre site. Faites-la depuis la page du commerçant.",
    }


@exception_view_config(PredicateMismatch, renderer=TEMPLATES + "message.pt")
def show_wrong_method(error: PredicateMismatch, request: Request) -> Values:
    """Say that the address exists, but not for this way of asking."""
    request.response.status_int = 405
    return {
        "title": "Demande non admise",
        "text": "Cette adresse ne s’ouvre pas ainsi. Repartez de la boutique.",
    }
