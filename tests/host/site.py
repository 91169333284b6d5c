"""The town's own site: a home page and its news, a tree in which the portal is one folder among others."""

from persistent.mapping import PersistentMapping
from pyramid.authorization import Allow, Everyone
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import Response
from pyramid.view import view_config, view_defaults

from sevres_familles.content.services import security_notice
from sevres_familles.web.root import Portal

SEAT = "famille"
#: Where the site stands in the database.
NAME = "valombre"


class Site(PersistentMapping):
    """The root of the tree."""

    __name__ = __parent__ = None
    __acl__ = ((Allow, Everyone, "read"),)


class News(PersistentMapping):
    """What the town tells: titles and words, by day."""

    __name__ = "actualites"


def seat_portal(portal: Portal, registry: object) -> None:
    """Make the site, and seat the portal in it (a step of evolution, run by ``sevres-init``)."""
    root = portal._p_jar.root()
    site = root[NAME] = Site()
    news = site["actualites"] = News({"Le marché du jeudi": "Il a lieu place des Tilleuls, de 8 h à 13 h."})
    news.__parent__ = site
    site[SEAT] = portal
    portal.__name__, portal.__parent__ = SEAT, site


@view_defaults(context=Site, permission="read")
class ShowSite:
    """The pages of the town."""

    def __init__(self, context: Site, request: Request) -> None:
        self.context, self.request = context, request

    @view_config(renderer="tests.host:templates/home.pt")
    def home(self) -> dict[str, object]:
        return {"heading": "Bienvenue à Valombre", "portal": self.request.portal_path}

    @view_config(context=News, renderer="tests.host:templates/news.pt")
    def news(self) -> dict[str, object]:
        return {"heading": "Actualités", "news": self.context.items(), "portal": self.request.portal_path}

    @view_config(name=".well-known")
    def security(self) -> Response:
        """The notice stands at the root of the host, wherever the portal is seated (RFC 9116, section 3)."""
        if self.request.subpath != ("security.txt",):
            raise HTTPNotFound
        return Response(security_notice(self.request), content_type="text/plain", charset="utf-8")


def includeme(config: Configurator) -> None:
    """Add the site around the portal."""
    config.add_evolution_steps(seat_portal)
    config.add_static_view("fichiers", "tests.host:static")
    config.scan("tests.host.site")
