"""« Vos paiements »: every payment of a family, and its receipts."""

from itertools import islice
from typing import Any

from pyramid.request import Request
from pyramid.view import view_config

from sevres_familles.families.resources import Family
from sevres_familles.payments.views.home import labels_of
from sevres_familles.payments.views.payment import BADGES, kind_of
from sevres_familles.web.paging import page_of
from sevres_familles.web.security import Permission

PAGE_SIZE = 24


@view_config(
    context=Family,
    name="paiements",
    permission=Permission.PAYMENT_VIEW,
    request_method="GET",
    renderer="sevres_familles:templates/payments/payments.pt",
)
def list_payments(context: Family, request: Request) -> dict[str, Any]:
    """List the payments of a family, the newest first.

    :raises HTTPNotFound: past the last page.
    """
    payments = request.portal["paiements"]
    paging = page_of(request, len(payments.of_family.get(context.code, ())), PAGE_SIZE)
    shown = islice(payments.of(context.code), paging.start, paging.end)
    return {
        "title": "Vos paiements",
        "rows": [
            (payment, labels_of(payment), request.resource_url(payment), BADGES[kind_of(payment)]) for payment in shown
        ],
        "paging": paging,
        "url": request.resource_url(context, "paiements"),
    }
