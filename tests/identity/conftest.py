"""Families, and those who read their mails."""

from collections.abc import Callable
from typing import Any

import pytest

from sevres_familles.identity.events import EmailConfirmationAsked, PasswordChanged, ResetAsked
from sevres_familles.identity.passwords import Passwords
from tests import factories
from tests.conftest import Stored
from tests.identity.helpers import give_password, give_printed_password


@pytest.fixture
def dupond(stored: Stored, registry: Any) -> str:
    """The DUPOND family, without any password."""
    with stored() as portal:
        factories.store_family(portal, key=registry.settings_of_portal.secret("tokens.key"))
    return factories.CODE


@pytest.fixture
def with_password(dupond: str, stored: Stored, registry: Any) -> str:
    """The DUPOND family, with its own password."""
    with stored() as portal:
        give_password(portal, registry)
    return dupond


@pytest.fixture
def printed(dupond: str, stored: Stored, registry: Any) -> str:
    """The password that the DUPOND family's invoice prints."""
    with stored() as portal:
        return give_printed_password(portal, registry)


@pytest.fixture
def announced(registry: Any) -> list[Any]:
    """What identity announces, as it does.  Of a refused act too: whoever listens writes in its transaction."""
    events: list[Any] = []
    for kind in (ResetAsked, PasswordChanged, EmailConfirmationAsked):
        registry.registerHandler(events.append, (kind,))
    return events


class CountingPasswords:
    """The hasher, which counts what it computes."""

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self.computed: list[str] = []

    def hash(self, password: str) -> str:
        self.computed.append("hash")
        return self._passwords.hash(password)

    def verify(self, hashed: str | None, password: str) -> bool:
        self.computed.append("verify")
        return self._passwords.verify(hashed, password)

    def is_outdated(self, hashed: str) -> bool:
        return self._passwords.is_outdated(hashed)


@pytest.fixture
def counting(registry: Any) -> CountingPasswords:
    registry.passwords = CountingPasswords(registry.passwords)
    return registry.passwords


@pytest.fixture
def credentials(stored: Stored) -> Callable[[], dict[str, Any]]:
    """Give what is kept of the DUPOND family now."""

    def read() -> dict[str, Any]:
        with stored() as portal:
            kept = portal.stores["credentials"].get(factories.CODE)
            return dict(kept.__dict__) if kept is not None and kept.sessions is not None else {}

    return read
