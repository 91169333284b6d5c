"""Permissions: what can be asked of the portal, one name each.  Everything is closed unless an ``__acl__`` opens it."""

from enum import StrEnum

from pyramid.authorization import DENY_ALL as _DENY_ALL
from pyramid.config import Configurator

#: Closes what stands above in an ``__acl__``.
DENY_ALL = _DENY_ALL


class Permission(StrEnum):
    """What a view asks for, ``resource:action``."""

    PAGE_VIEW = "page:view"
    SESSION_OPEN = "session:open"
    SESSION_CLOSE = "session:close"
    SESSION_EXTEND = "session:extend"
    SESSION_MANAGE = "session:manage"
    PASSWORD_CHANGE = "password:change"  # noqa: S105 - the name of a permission
    FAMILY_VIEW = "family:view"
    INVOICE_VIEW = "invoice:view"
    INVOICE_PAY = "invoice:pay"
    PAYMENT_VIEW = "payment:view"
    NOTIFICATION_RECEIVE = "notification:receive"
    SERVICE_WATCH = "service:watch"
    #: The default of views that state none: nobody has it.
    NOBODY = "nobody"


#: The principal of whoever is signed in with a password of their own, and not with a printed one.
OWN_PASSWORD = "own-password"  # noqa: S105 - the name of a principal


def family_principal(code: str) -> str:
    """Name the principal of a family that is signed in with its own password."""
    return f"family:{code}"


def includeme(config: Configurator) -> None:
    """Close every view that states no permission, and ask for a CSRF token on every write."""
    config.set_default_permission(Permission.NOBODY)
    config.set_default_csrf_options(require_csrf=True)
