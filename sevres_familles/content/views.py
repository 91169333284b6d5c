"""The public home, the pages that the town writes, and what robots ask for."""

from typing import Any

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request
from pyramid.response import FileResponse, Response
from pyramid.view import view_config, view_defaults

from sevres_familles.content import facts
from sevres_familles.content.resources import Folder, Page, Versioned
from sevres_familles.content.services import legal_links, security_notice
from sevres_familles.domain import french
from sevres_familles.web.caching import let_keep
from sevres_familles.web.frame import Link
from sevres_familles.web.root import Portal
from sevres_familles.web.security import Permission
from sevres_familles.web.sessions import has_session


@view_config(context=Portal, permission=Permission.PAGE_VIEW, renderer="sevres_familles:templates/content/home.pt")
def show_home(context: Portal, request: Request) -> dict[str, Any] | Response:
    """Show the public home.  To strangers it is the same for a minute, so it is written once a minute."""
    frame, shown = request.frame, {"title": "Accueil"}
    if has_session(request):
        return shown
    changing = (request.path, frame.moment, frame.links("help"), frame.links("legal"))
    return Response(frame.part("content/home", **shown, changing=changing))


@view_config(context=Versioned, permission=Permission.PAGE_VIEW, renderer="sevres_familles:templates/content/page.pt")
def show_page(context: Versioned, request: Request) -> dict[str, Any]:
    """Show a page."""
    let_keep(request)
    text = context.text
    before, after = _neighbours(context, request)
    return {
        "title": text.title,
        "summary": text.summary,
        "html": facts.filled(text.html, request),
        "sections": text.sections(),
        "changed_on": french.long_date(french.local(text.at).date()),
        "pages": _pages(context, request) if isinstance(context, Folder) else [],
        "before": before,
        "after": after,
    }


def _pages(folder: Folder, request: Request) -> list[tuple[Link, str]]:
    """List the pages of a folder, with what each is about."""
    path = request.resource_path(folder)
    return [(Link(page.text.title, f"{path}{page.__name__}"), page.text.summary) for page in folder.published()]


def _neighbours(page: Versioned, request: Request) -> tuple[Link | None, Link | None]:
    """Find the pages before and after a page in its folder."""
    if not isinstance(page, Page) or not isinstance(page.__parent__, Folder):
        return None, None
    links: list[Link | None] = [None, *(link for link, _ in _pages(page.__parent__, request)), None]
    here = [each.__name__ for each in page.__parent__.published()].index(page.__name__) + 1
    return links[here - 1], links[here + 1]


@view_config(
    context=Portal,
    name="plan-du-site",
    permission=Permission.PAGE_VIEW,
    renderer="sevres_familles:templates/content/site_map.pt",
)
def show_site_map(context: Portal, request: Request) -> dict[str, Any]:
    """Show every page that can be reached without signing in, and one's own when signed in."""
    let_keep(request)
    folder = context["aide"]
    return {
        "title": "Plan du site",
        "help": Link(folder.text.title, request.resource_path(folder)),
        "pages": [link for link, _ in _pages(folder, request)],
        "legal": [link for link in legal_links(request) if not link.url.endswith("plan-du-site")],
    }


@view_defaults(context=Portal, permission=Permission.PAGE_VIEW)
class ForRobots:
    """What browsers and robots ask for by themselves."""

    def __init__(self, context: Portal, request: Request) -> None:
        self.context = context
        self.request = request

    @view_config(name="favicon.ico")
    def favicon(self) -> Response:
        """Give the town's emblem to browsers that do not read the page's own link to it."""
        return FileResponse(self.request.town.emblem, content_type="image/svg+xml", cache_max_age=86400)

    @view_config(name="robots.txt")
    def robots(self) -> Response:
        """Let robots read the public pages alone."""
        home = self.request.resource_path(self.context)
        closed = "".join(
            f"Disallow: {home}{name}\n" for name in ("familles/", "paiements/", "connexion", "mot-de-passe")
        )
        return _text(f"User-agent: *\n{closed}")

    @view_config(name=".well-known")
    def security(self) -> Response:
        """Say whom to tell of a weakness (RFC 9116)."""
        if self.request.subpath != ("security.txt",):
            raise HTTPNotFound
        return _text(security_notice(self.request))


def _text(text: str) -> Response:
    return Response(text, content_type="text/plain", charset="utf-8", cache_control="public, max-age=86400")
