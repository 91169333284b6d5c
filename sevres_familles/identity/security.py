"""Who is asking: what the session's ticket opens, and the principals that follow from it."""

from dataclasses import dataclass
from typing import Any

from pyramid.authorization import ACLHelper, Authenticated, Everyone
from pyramid.config import Configurator
from pyramid.interfaces import ISecurityPolicy
from pyramid.request import Request, RequestLocalCache
from zope.interface import implementer

from sevres_familles.identity.resources import Scope
from sevres_familles.identity.sessions import current_session, ticket_of
from sevres_familles.web.security import OWN_PASSWORD, family_principal


@dataclass(frozen=True)
class SignedIn:
    """A family that is signed in: ``request.identity``, none for everybody else."""

    code: str
    scope: Scope

    @property
    def confined_to(self) -> str | None:
        """The page of the root that this visitor must pass first, before anything of the family opens."""
        return "mot-de-passe" if self.scope is Scope.ACTIVATION else None

    @property
    def principals(self) -> tuple[str, ...]:
        """What the ``__acl__`` of the tree know this visitor by."""
        if self.scope is Scope.ACTIVATION:
            return (Everyone, Authenticated)
        return (Everyone, Authenticated, OWN_PASSWORD, family_principal(self.code))


@implementer(ISecurityPolicy)
class SecurityPolicy:
    """Identity from the session's ticket, permission from the tree's ``__acl__``."""

    def __init__(self) -> None:
        self._acl = ACLHelper()
        self._cache = RequestLocalCache(self._load)

    def _load(self, request: Request) -> SignedIn | None:
        session = current_session(request)
        return SignedIn(ticket_of(request).code, session.scope) if session else None

    def identity(self, request: Request) -> SignedIn | None:
        """Tell who asks, looking once a request."""
        identity: SignedIn | None = self._cache.get_or_create(request)
        return identity

    def authenticated_userid(self, request: Request) -> str | None:
        """Tell the code of the family that asks."""
        identity = self.identity(request)
        return identity.code if identity else None

    def permits(self, request: Request, context: Any, permission: str) -> Any:
        """Tell whether the tree allows it."""
        identity = self.identity(request)
        return self._acl.permits(context, identity.principals if identity else (Everyone,), permission)

    def remember(self, request: Request, userid: str, **options: Any) -> list[tuple[str, str]]:
        """Refuse: `sessions.start` opens sessions."""
        raise NotImplementedError

    def forget(self, request: Request, **options: Any) -> list[tuple[str, str]]:
        """Refuse: `sessions.end` ends sessions."""
        raise NotImplementedError


def includeme(config: Configurator) -> None:
    """Set the policy."""
    config.set_security_policy(SecurityPolicy())
