"""The root of the tree, `Portal`, and how a request finds it."""

from typing import Any
from urllib.parse import urljoin

from persistent.mapping import PersistentMapping
from pyramid.authorization import Allow, Authenticated, Everyone
from pyramid.config import Configurator
from pyramid.location import lineage
from pyramid.request import Request
from pyramid.traversal import find_root
from pyramid_zodbconn import get_connection

from sevres_familles.web.container import Container
from sevres_familles.web.evolution import is_evolved
from sevres_familles.web.security import DENY_ALL, OWN_PASSWORD, Permission


class DatabaseNotReady(Exception):
    """The database was never made, or waits for evolution steps (``sevres-init``)."""


class Portal(Container):
    """The portal: the node under which everything stands.

    ``stores`` keeps what has no address: each area names its own.  ``evolved`` names the evolution steps done.
    """

    crumb = "Accueil"

    __acl__ = (
        (
            Allow,
            Everyone,
            (Permission.PAGE_VIEW, Permission.SESSION_OPEN, Permission.SESSION_CLOSE, Permission.NOTIFICATION_RECEIVE),
        ),
        (Allow, Authenticated, (Permission.SESSION_EXTEND, Permission.PASSWORD_CHANGE)),
        (Allow, OWN_PASSWORD, Permission.SESSION_MANAGE),
        DENY_ALL,
    )

    def __init__(self) -> None:
        super().__init__()
        self.stores: PersistentMapping[str, Any] = PersistentMapping()
        self.evolved: tuple[str, ...] = ()


def portal_in(zodb_root: Any, registry: Any) -> Portal:
    """Find the portal in a database.

    :raises DatabaseNotReady: when it is not there, or not evolved.
    """
    portal = zodb_root.get(registry.settings_of_portal.root_name)
    if portal is None or not is_evolved(portal, registry):
        raise DatabaseNotReady
    return portal  # type: ignore[no-any-return]


def root_factory(request: Request) -> Any:
    """Give traversal its root: the top of the tree that the portal is seated in, or the portal itself.  Only reads.

    :raises DatabaseNotReady: whoever's page is asked for, when the database is not the one that this code knows.
    """
    return find_root(_portal_of_database(request))


def _portal_of_database(request: Request) -> Portal:
    return portal_in(get_connection(request).root(), request.registry)


def portal_of(request: Request) -> Portal:
    """Find the portal of a request: the one that its context stands in, wherever it is seated."""
    for node in lineage(getattr(request, "context", None)):
        if isinstance(node, Portal):
            return node
    return _portal_of_database(request)


def seat_path(request: Request) -> str:
    """Give the path of the portal's home as the application said it at its start, for what may not ask the tree."""
    return f"{request.script_name}/{request.registry.seat}"


def portal_path(request: Request) -> str:
    """Give the path of the portal's home, which ends with a slash: cheaper to begin links with than `resource_url`."""
    if getattr(request, "root", None) is None:
        return seat_path(request)
    path: str = request.resource_path(request.portal)
    return path


def public_address(request: Request) -> str:
    """Give the whole address of the portal's home as families know it, from the settings and never from a Host."""
    address: str = urljoin(request.portal_settings.public_url, request.portal_path)
    return address


def includeme(config: Configurator) -> None:
    """Make the portal's tree that of the application, and add ``request.portal`` and its path.

    An application that seats the portal in a tree of its own says where by ``route_prefix`` (docs/architecture.md).
    """
    config.registry.seat = f"{config.route_prefix.strip('/')}/" if config.route_prefix else ""
    config.set_root_factory(root_factory)
    config.add_request_method(portal_of, "portal", reify=True)
    config.add_request_method(portal_path, "portal_path", reify=True)
    config.add_request_method(seat_path, "seat_path", property=True)
    config.add_request_method(public_address, "public_address", property=True)
