"""Everything is closed unless it says who may come in (requirements S1, S4, S5)."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pyramid.authorization import ACLHelper, Authenticated, Everyone
from pyramid.location import lineage
from pyramid.security import NO_PERMISSION_REQUIRED

import sevres_familles
from sevres_familles.regies.resources import Journal
from sevres_familles.web.container import Container, Node, Part
from sevres_familles.web.root import Portal
from sevres_familles.web.security import DENY_ALL, Permission
from tests import rich
from tests.identity.helpers import sign_in

#: Exceptions that have a page, which anybody may see; the first two are Pyramid's own, behind ours.
OPEN_CONTEXTS = {
    "IExceptionResponse",
    "WSGIHTTPException",
    "BadCSRFOrigin",
    "BadCSRFToken",
    "DatabaseNotReady",
    "DeadLink",
    "Exception",
    "HTTPError",
    "HTTPForbidden",
    "HTTPNotFound",
    "InterfaceError",
    "OperationalError",
    "TransientError",
    "UnicodeDecodeError",
}


def views(registry: Any) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Go through the views of the application: what each was registered with, and the permission it asks for."""
    for category in registry.introspector.get_category("views"):
        view = category["introspectable"]
        permissions = [each["value"] for each in category["related"] if each.category_name == "permissions"]
        yield view, permissions[0] if permissions else view.get("permission")


def is_of_exception(view: dict[str, Any]) -> bool:
    return getattr(view["context"], "__name__", "") in OPEN_CONTEXTS


def is_of_files(view: dict[str, Any]) -> bool:
    return str(view["route_name"] or "").startswith(("__static/", "__ville/"))


class TestViews:
    def test_every_view_states_a_permission_of_ours(self, registry):
        asked = {
            view["derived_callable"]: permission
            for view, permission in views(registry)
            if not is_of_exception(view) and not is_of_files(view)
        }

        assert len(asked) > 20
        assert {each for each in asked.values() if each not in set(Permission)} == set()
        assert Permission.NOBODY not in asked.values()

    def test_only_exceptions_and_files_ask_for_none(self, registry):
        free = {
            view["context"].__name__
            for view, permission in views(registry)
            if permission in (None, NO_PERMISSION_REQUIRED) and not is_of_files(view)
        }

        assert free == OPEN_CONTEXTS

    def test_a_view_that_states_none_is_closed(self, registry):
        (default,) = registry.introspector.get_category("default permission")

        assert default["introspectable"]["value"] is Permission.NOBODY

    def test_every_permission_is_asked_for_or_is_the_one_of_nobody(self, registry):
        assert {permission for _, permission in views(registry)} >= set(Permission) - {Permission.NOBODY}

    def test_only_the_door_of_the_bank_asks_for_no_token(self, registry):
        free = {
            (view["context"].__name__, view["name"])
            for view, _ in views(registry)
            if view.get("require_csrf") is False and not is_of_exception(view)
        }
        (default,) = registry.introspector.get_category("default csrf view options")

        assert free == {("NotificationDoor", "")}
        assert default["introspectable"]["require_csrf"] is True


def walk(node: Any) -> Iterator[Any]:
    """Go through the nodes that addresses reach."""
    yield node
    names = list(getattr(node, "_nodes", ())) or list(getattr(node, "nodes", ())) or list(getattr(node, "accounts", ()))
    for name in names or list(getattr(node, "invoices", ())):
        yield from walk(node[name])
    if getattr(node, "doors", None) is not None:
        yield from walk(node.doors)


def node_classes() -> set[type]:
    """Give every class of the package that stands in the tree."""
    for found in pkgutil.walk_packages(sevres_familles.__path__, "sevres_familles."):
        if found.name.endswith(".resources"):
            importlib.import_module(found.name)

    def below(kind: type) -> Iterator[type]:
        for each in kind.__subclasses__():
            yield from (each, *below(each))

    # Container is what others are made of; a Journal is a part of its account that has no address.
    ours = {each for kind in (Node, Part) for each in below(kind) if each.__module__.startswith("sevres_familles.")}
    return ours - {Container, Journal}


@pytest.fixture
def town(stored, registry):
    with stored() as portal:
        return rich.store_rich_town(portal, registry)


class TestTree:
    def test_every_class_of_node_is_met(self, town, stored):
        with stored() as portal:
            met = {type(node) for node in walk(portal)}

        assert node_classes() - met == set()

    def test_every_node_is_closed_to_whom_nothing_lets_in(self, town, stored):
        """What is not opened by name is closed, by the node's own list or by one above it."""
        acl = ACLHelper()
        with stored() as portal:
            for node in walk(portal):
                lists = [list(each.__acl__) for each in lineage(node) if getattr(each, "__acl__", None)]
                assert any(DENY_ALL in each for each in lists), node
                for permission in ("anything", Permission.NOBODY):
                    assert not acl.permits(node, [Everyone, Authenticated, "family:26719"], permission)

    @pytest.mark.parametrize("principal", [Everyone, Authenticated, "family:31415"])
    def test_a_family_is_closed_to_everybody_else(self, town, stored, principal):
        acl = ACLHelper()
        with stored() as portal:
            nodes = [*walk(portal["familles"]["26719"]), *portal["paiements"].of("26719")]
            for node in nodes:
                for permission in (Permission.FAMILY_VIEW, Permission.INVOICE_VIEW, Permission.INVOICE_PAY):
                    assert not acl.permits(node, [principal], permission)
                assert not acl.permits(node, [principal], Permission.PAYMENT_VIEW)

    def test_a_family_may_not_write_to_the_door_s_neighbours(self, town, stored):
        """Receiving notifications is open under /paiements; nothing else there is."""
        acl = ACLHelper()
        with stored() as portal:
            door = portal["paiements"]["notifications"]["systempay"]
            for permission in set(Permission) - {Permission.NOTIFICATION_RECEIVE}:
                assert not acl.permits(door, [Everyone, Authenticated, "family:26719"], permission)


#: What Python or the database would find, and traversal must not.
ATTRIBUTES = (
    "record",
    "lots",
    "nodes",
    "accounts",
    "invoices",
    "code",
    "facts",
    "stores",
    "evolved",
    "doors",
    "to_ask",
    "unanswered",
    "left_to_staff",
    "of_family",
    "bank_orders",
    "versions",
    "_nodes",
    "_p_jar",
    "_p_oid",
    "_record",
    "__acl__",
    "__parent__",
    "__name__",
    "__class__",
    "__dict__",
    "__getitem__",
    "keys",
    "values",
    "get",
    "add",
)
STRANGE = ("@@", "%252e%252e", "%00", "*", "%c3%a9", "-1", "0", "None", "x" * 3000)
NODES = (
    "/",
    "/familles/",
    "/familles/26719/",
    "/familles/26719/comptes/",
    "/familles/26719/comptes/scolaire/",
    "/familles/26719/comptes/scolaire/2026-9161/",
    "/paiements/",
    "/paiements/notifications/",
    "/paiements/notifications/systempay/",
    "/regies/",
    "/regies/scolaire/",
    "/aide/",
    "/aide/contact/",
)


class TestTraversal:
    """Addresses lead through containers, never through attributes (S5)."""

    @pytest.mark.parametrize("node", NODES)
    def test_finds_no_attribute(self, town, browser, node):
        sign_in(browser)
        found = [
            f"{node}{name}"
            for name in (*ATTRIBUTES, *STRANGE)
            if browser.get(node + name, expect_errors=True).status_int != 404
        ]

        # « /@@ » is the way to write a page that has no name: it shows the very page of the node.
        assert [each for each in found if not each.endswith("/@@")] == []

    @pytest.mark.parametrize("node", [node for node in NODES if node.startswith(("/familles", "/paiements"))])
    def test_signed_out_every_attribute_leads_to_connexion(self, town, browser, node):
        for name in (*ATTRIBUTES, *STRANGE):
            answer = browser.get(node + name, expect_errors=True)
            assert answer.status_int == 303, node + name
            assert answer.location.startswith("http://localhost/connexion?retour=")

    def test_climbing_leads_where_the_way_leads_and_no_further(self, town, browser):
        sign_in(browser)

        for way in ("/familles/26719/../31415/", "/familles/26719/%2e%2e/31415/", "/aide/../familles/31415/dossier"):
            assert browser.get(way, expect_errors=True).status_int == 404
        for way in ("/../../../etc/passwd", "/static/../../production.ini", "/%2e%2e/%2e%2e/etc/passwd"):
            assert browser.get(way, expect_errors=True).status_int == 404

    def test_stores_have_no_address(self, town, browser, stored):
        sign_in(browser)
        with stored() as portal:
            names = list(portal.stores)

        assert len(names) > 5
        assert {browser.get(f"/{name}", expect_errors=True).status_int for name in names} == {404}

    def test_the_portal_alone_is_open_to_strangers(self, town, stored):
        acl = ACLHelper()
        with stored() as portal:
            open_to_strangers = {
                type(node)
                for node in walk(portal)
                if acl.permits(node, [Everyone], Permission.SESSION_OPEN) and not isinstance(node, Portal)
            }

        # Pages of the town inherit the portal's list: they have no form of identity all the same, for its views are
        # registered for the portal alone.
        assert {each.__module__ for each in open_to_strangers} <= {"sevres_familles.content.resources"}
