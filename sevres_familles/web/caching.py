"""Pages that browsers keep, and ask about: 304 when nothing changed."""

import hashlib

from pyramid.httpexceptions import HTTPOk
from pyramid.request import Request
from pyramid.response import Response


def let_keep(request: Request) -> None:
    """Let the browser keep the page under way, and ask each time whether it is still good.

    The mark is made of the page itself, so nothing that the page shows can change without it.  A page that tells the
    time is never the same; one that somebody signed in reads names the family in its frame, and is not kept (S11).
    """
    request.add_response_callback(_mark)


def _mark(request: Request, response: Response) -> None:
    if response.status_int != HTTPOk.code or request.identity is not None:
        return
    response.cache_control = "no-cache"
    response.vary = ("Cookie",)
    response.etag = hashlib.sha256(response.body).hexdigest()[:20]
    response.conditional_response = True
