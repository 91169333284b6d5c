"""The letter drawn on « Connexion », where families learn what to look for: it reads as the one they hold."""

from typing import Any

from pyramid.request import Request, apply_request_extensions
from webtest import TestApp

from sevres_familles.regies.documents import invoice_data
from tests import factories
from tests.conftest import Stored


def test_the_drawn_letter_says_what_the_real_one_says(browser: TestApp, registry: Any, stored: Stored):
    request = Request.blank("/", base_url="http://localhost")
    request.registry = registry
    apply_request_extensions(request)
    with stored() as portal:
        request.context = portal
        invoice = factories.store_invoice(factories.store_family(portal))
        real = invoice_data(request, invoice, invoice.status(request.today), "K7MP-Q3XA-TRWD-9HF4")

    drawn = browser.get("/connexion").html.find(class_="paper").text

    online, coupon = real["online"], real["coupon"]
    assert coupon is not None
    for said in (real["verdict"], real["amount"], online["title"], online["how"], online["note"], coupon["title"]):
        assert said in drawn
