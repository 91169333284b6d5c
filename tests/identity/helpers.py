"""What the tests of every area need of identity: a family with a password, and a browser signed in."""

from datetime import UTC, datetime
from typing import Any

from webtest import TestApp, TestResponse

from sevres_familles.identity.services import credentials_of, issue_printed_password
from sevres_familles.web.root import Portal
from tests.factories import CODE

#: An own password that every rule accepts.
PASSWORD = "lampe cerise nuage tambour"
#: A printed password without a typing error.
PRINTED = "K7MP-Q3XA-TRWD-9HF4"


def give_password(portal: Portal, registry: Any, code: str = CODE, password: str = PASSWORD) -> None:
    """Give a family its own password, as if it had chosen it long ago."""
    credentials_of(portal, code).set_password(registry.passwords.hash(password))


def give_printed_password(portal: Portal, registry: Any, code: str = CODE, at: datetime | None = None) -> str:
    """Issue a printed password, now unless told, and give it."""
    return issue_printed_password(portal, registry, code, at or registry.clock.now().astimezone(UTC))


def sign_in(browser: TestApp, code: str = CODE, password: str = PASSWORD, **query: str) -> TestResponse:
    """Sign in by the page as a new visitor, and give the answer, a redirect when it is right."""
    browser.reset()
    form = browser.get("/connexion", params=query).forms["connexion"]
    form["code"], form["mdp"] = code, password
    return form.submit(expect_errors=True)
