"""What the pages of identity share: refusals that are recorded, the current password, the way on."""

from datetime import timedelta
from math import ceil
from typing import Any

import colander
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request

from sevres_familles.domain.french import plural
from sevres_familles.identity.devices import known_device
from sevres_familles.identity.passwords import Verify, once
from sevres_familles.identity.services import attempts, is_own_password
from sevres_familles.identity.throttle import Attempts
from sevres_familles.web.forms import FormView, wrong
from sevres_familles.web.logs import alias, tell

#: Where the environ of a request keeps what passwords were found to be.
_ANSWERS = "sevres.password_answers"
_ADVICE_FROM = timedelta(minutes=2)


def keep_record(request: Request) -> None:
    """Have a refusal commit what it recorded, although its status says that nothing was done."""
    request.response.headers["X-Tm"] = "commit"


def wait_text(wait: timedelta) -> str:
    """Say how long to wait: ``30 secondes``, ``12 minutes``."""
    if wait < _ADVICE_FROM:
        return plural(ceil(wait.total_seconds()), "seconde")
    return plural(ceil(wait / timedelta(minutes=1)), "minute")


def family_home(request: Request, code: str) -> HTTPSeeOther:
    """Lead to the family's home."""
    return HTTPSeeOther(request.resource_url(request.portal["familles"][code]))


def page_url(request: Request, name: str, **query: str) -> str:
    """Write the address of a page of the root."""
    url: str = request.resource_url(request.portal, name, query=query or None)
    return url


class ThrottledView(FormView):
    """A form that a stranger may not try too often."""

    def attempts(self, code: str) -> Attempts:
        """Meet the throttle as this browser that tries a code."""
        request = self.request
        return attempts(
            request.portal,
            request.registry,
            address=request.remote_addr or "",
            code=code,
            at=request.now,
            device=known_device(request, code),
        )

    @property
    def verify(self) -> Verify:
        """Verify each password once a request, however often conflicts have it begin anew: it keeps its environ."""
        return once(self.request.registry.passwords.verify, self.request.environ.setdefault(_ANSWERS, {}))

    def too_soon(self, field: str, wait: timedelta, words: str) -> colander.Invalid:
        """Refuse until the wait is over: 429, and how long in seconds for programs."""
        self.refusal_status = 429
        self.request.response.headers["Retry-After"] = str(ceil(wait.total_seconds()))
        keep_record(self.request)
        tell(
            self.request.portal,
            "too many tries",
            visitor=alias(self.request.portal_settings, self.request.remote_addr or ""),
        )
        return wrong(self.form().schema, field, f"{words} Attendez {wait_text(wait)}, puis recommencez.")

    def check_current_password(self, typed: str) -> None:
        """Check the password of who is signed in, as carefully as a sign-in.

        :raises colander.Invalid: when it is wrong, or tried too often.
        """
        request = self.request
        code = request.identity.code
        tries = self.attempts(code)
        wait = tries.wait()
        if wait:
            raise self.too_soon("actuel", wait, "Trop d’essais.")
        if not is_own_password(request.portal, request.registry, code, typed, self.verify):
            tries.fail()
            keep_record(request)
            raise wrong(self.form().schema, "actuel", "Ce n’est pas votre mot de passe actuel. Tapez-le à nouveau.")

    def bindings(self) -> dict[str, Any]:
        """Tell the schema whether the current password is asked for."""
        return {"asks_current": False}
