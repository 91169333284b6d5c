"""What a payer sees, from the shop's form to the way back to the shop."""

from datetime import UTC, datetime
from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.view import exception_view_config, view_config

from sevres_familles.sandbox.bank.cards import CHALLENGE_CODE, REFUSALS, SCENARIOS, Delivery, grouped, scenario_behind
from sevres_familles.sandbox.bank.counter import Counter, PageExpired, WrongCode
from sevres_familles.sandbox.bank.entry import CardFaults, worth_showing_again
from sevres_familles.sandbox.bank.forms import FormRefused, origin, read_fields
from sevres_familles.sandbox.bank.messages import return_link, returned
from sevres_familles.sandbox.bank.records import Page, Payment, Receipt, Status
from sevres_familles.sandbox.bank.store import PageEnded
from sevres_familles.sandbox.french import day, day_and_time, euros
from sevres_familles.sandbox.serving import content_policy

Values = dict[str, Any]

TEMPLATES = "sevres_familles.sandbox.bank:templates/"

#: How long the ticket stays before the browser goes back to the shop, in seconds: the
#: least that WCAG 2.2, 2.2.1, wants for « Rester sur cette page » to be pressed.
RETURN_DELAY = 20


@view_config(route_name="open_payment", request_method="POST")
def open_payment(request: Request) -> HTTPSeeOther:
    """Check the shop's form, and lead the payer to a page of their own."""
    page = _counter(request).open_page(read_fields(request.body))
    return HTTPSeeOther(request.route_url("card", token=page.token))


@exception_view_config(FormRefused, renderer=TEMPLATES + "form_refused.pt")
def refuse_form(refusal: FormRefused, request: Request) -> Values:
    """Say what is wrong with the shop's form, by the bank's number."""
    request.response.status_int = 400
    return {"refusal": refusal}


@view_config(route_name="card", request_method="GET", renderer=TEMPLATES + "card.pt")
def show_card(request: Request) -> Values:
    """Show the card page."""
    page = _counter(request).living_page(request.matchdict["token"])
    return _card_page(request, page, {}, {})


@view_config(route_name="card", request_method="POST", renderer=TEMPLATES + "card.pt")
def take_card(request: Request) -> Values | HTTPSeeOther:
    """Take the card, or say what is to be mended."""
    counter = _counter(request)
    page = counter.living_page(request.matchdict["token"])
    form = read_fields(request.body)
    try:
        has_ended = counter.take_card(page, form)
    except CardFaults as mend:
        request.response.status_int = 422
        return _card_page(request, page, worth_showing_again(form), mend.faults)
    return _go_to(request, page, "ticket" if has_ended else "challenge")


@view_config(route_name="challenge", request_method="GET", renderer=TEMPLATES + "challenge.pt")
def show_challenge(request: Request) -> Values | HTTPSeeOther:
    """Show the page of the payer's own bank, which asks for a code."""
    page = _counter(request).living_page(request.matchdict["token"])
    if page.held is None:
        return _go_to(request, page, "card")
    return _challenge_page(request, page, "")


@view_config(route_name="challenge", request_method="POST", renderer=TEMPLATES + "challenge.pt")
def answer_challenge(request: Request) -> Values | HTTPSeeOther:
    """Take the code, or ask for it again."""
    counter = _counter(request)
    page = counter.living_page(request.matchdict["token"])
    try:
        counter.answer_challenge(page, read_fields(request.body).get("code", "").strip())
    except WrongCode:
        request.response.status_int = 422
        return _challenge_page(request, page, f"Ce code est faux. Saisissez {CHALLENGE_CODE}, le code d’essai.")
    return _go_to(request, page, "ticket")


@view_config(route_name="abandon", request_method="POST")
def abandon(request: Request) -> HTTPSeeOther:
    """End the page without a payment, and lead back to the shop."""
    counter = _counter(request)
    page = counter.living_page(request.matchdict["token"])
    counter.abandon(page)
    payment = counter.store.payment_of_page(page.token)
    if page.return_mode == "POST" or payment is None:
        return _go_to(request, page, "ticket")  # its button posts the fields
    return HTTPSeeOther(return_link(page, payment, counter.shop))


@view_config(route_name="ticket", request_method="GET", renderer=TEMPLATES + "ticket.pt")
def show_ticket(request: Request) -> Values | HTTPSeeOther:
    """Say what came of the page, and lead back to the shop."""
    counter = _counter(request)
    page = counter.any_page(request.matchdict["token"])
    payment = counter.store.payment_of_page(page.token)
    if payment is None:
        return _go_to(request, page, "card")
    scenario = scenario_behind(payment.card) if payment.card else None
    if scenario and scenario.delivery is Delivery.AFTER_RETURN and page.return_mode != "POST":
        return HTTPSeeOther(return_link(page, payment, counter.shop))
    return _ticket(request, page, payment, strands=bool(scenario and scenario.strands))


@exception_view_config(PageEnded)
def show_what_came_of_it(ended: PageEnded, request: Request) -> HTTPSeeOther:
    """Lead to the ticket whoever comes back to a page that has ended."""
    return HTTPSeeOther(request.route_url("ticket", token=request.matchdict["token"]))


@exception_view_config(PageExpired, renderer=TEMPLATES + "expired.pt")
def show_expiry(expiry: PageExpired, request: Request) -> Values:
    """Say that the page has died, that nothing was taken, and lead back to the shop."""
    request.response.status_int = 410
    minutes = round(_counter(request).page_life / 60)
    return {"address": expiry.page.return_address, "minutes": minutes}


#: What the ticket says of each status: class, title of the page, heading, title of the next step.
_ACCEPTED = ("yes", "Paiement accepté", "Votre paiement est accepté", "Et maintenant")
_OUTCOMES = {
    Status.AUTHORISED: _ACCEPTED,
    Status.CAPTURED: _ACCEPTED,
    Status.UNDER_VERIFICATION: (
        "none",
        "Paiement en vérification",
        "Votre paiement est en vérification",
        "Et maintenant",
    ),
    Status.CANCELLED: ("none", "Paiement annulé", "Votre paiement a été annulé par le commerçant", "Rien n’est débité"),
    Status.REFUSED: ("no", "Paiement refusé", "Votre paiement est refusé", "Rien n’a été débité"),
    Status.ABANDONED: ("none", "Paiement abandonné", "Vous avez abandonné le paiement", "Rien n’a été débité"),
}


def _reason(payment: Payment) -> str:
    if payment.authentication == "FAILED":
        return "votre banque n’a pas pu vous authentifier"
    return REFUSALS.get(payment.auth_result or "", "votre banque a refusé")


def _counter(request: Request) -> Counter:
    counter: Counter = request.registry.counter
    return counter


def _go_to(request: Request, page: Page, route: str) -> HTTPSeeOther:
    return HTTPSeeOther(request.route_url(route, token=page.token))


def _allow_return(request: Request, page: Page) -> None:
    """Let the forms of this page lead to the shop: cancelling redirects there."""
    policy = content_policy(origin(page.return_address))
    request.response.headers["Content-Security-Policy"] = policy


def _about(request: Request, page: Page) -> Values:
    return {
        "merchant": _counter(request).shop.merchant,
        "reference": page.order_id,
        "amount": euros(page.amount),
        "date": day(page.opened_at),
        "token": page.token,
    }


def _card_page(request: Request, page: Page, typed: dict[str, str], faults: dict[str, str]) -> Values:
    _allow_return(request, page)
    return {
        **_about(request, page),
        "scenarios": SCENARIOS,
        "typed": typed,
        "faults": faults,
        "example_year": datetime.now(UTC).year + 1,
    }


def _challenge_page(request: Request, page: Page, fault: str) -> Values:
    _allow_return(request, page)
    card = grouped(page.held.number) if page.held else ""
    return {**_about(request, page), "card": card, "fault": fault, "code": CHALLENGE_CODE}


def _ticket(request: Request, page: Page, payment: Payment, *, strands: bool) -> Values:
    _allow_return(request, page)
    counter = _counter(request)
    shop = counter.shop
    link = return_link(page, payment, shop)
    posts = page.return_mode == "POST"
    refused = payment.status is Status.REFUSED
    returns_alone = not (posts or strands) and "rester" not in request.GET
    if returns_alone:
        request.response.headers["Refresh"] = f"{RETURN_DELAY}; url={link}"
    return {
        **_about(request, page),
        "payment": payment,
        "outcome": _OUTCOMES[payment.status],
        "taken": euros(payment.amount),
        "refused": refused,
        "reason": _reason(payment),
        "may_try_again": refused and counter.may_try_again(page),
        "card": grouped(payment.card),
        "paid_at": day_and_time(payment.created_at),
        "receipt_sent": payment.receipt is Receipt.SENT,
        "receipt_failed": payment.receipt is Receipt.FAILED,
        "link": "" if strands else link,
        "fields": sorted(returned(page, payment, shop).items()) if posts and not strands else None,
        "delay": RETURN_DELAY if returns_alone else None,
    }
