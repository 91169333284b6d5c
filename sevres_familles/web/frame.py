"""What stands around every page: the masthead and its clock, the navigation, the breadcrumbs, the footer.

Areas give their links with ``config.add_frame_links(place, function)``; a function takes the request and gives `Link`s.
A node names itself in the breadcrumbs by its ``crumb``; one that stands elsewhere in the visitor's mind than in the
tree gives the way to its page by ``crumbs(request)``, its own last step left out.
"""

import hashlib
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

from pyramid.config import Configurator
from pyramid.events import BeforeRender
from pyramid.location import lineage
from pyramid.path import AssetResolver
from pyramid.renderers import get_renderer, render
from pyramid.request import Request

from sevres_familles.domain import french
from sevres_familles.web.markup import ICONS, Markup, badge, escape, foldable, stepper, whole_words
from sevres_familles.web.sessions import REISSUE_AFTER, has_session
from sevres_familles.web.theme import COLOURS, faults_of
from sevres_familles.web.town import Contact

log = logging.getLogger(__name__)

STATIC = "sevres_familles:static"
LAYOUT = "sevres_familles:templates/layout.pt"
PLACES = ("navigation", "help", "legal")
#: How many pieces of pages are kept ready.
MOST_PARTS = 200


class Link(NamedTuple):
    """A link of the frame; ``current`` when this page stands somewhere behind it."""

    title: str
    url: str
    current: bool = False


LinkSource = Callable[[Request], Iterable[Link]]

#: What the last page left to say: the kind of its note (see look.css), and the words.
Message = tuple[str, str]


class Frame:
    """What the layout asks for, computed when asked: it is around every page, so it has to be quick."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._links: dict[str, tuple[Link, ...]] = {}

    @property
    def town(self) -> Any:
        """The town."""
        return self._request.town

    @property
    def public_url(self) -> str:
        """The path of the public home, which ends with a slash."""
        path: str = self._request.portal_path
        return path

    @cached_property
    def home_url(self) -> str:
        """Where « Accueil » leads: the family's home when signed in, else the public home."""
        links = self.links("navigation") if self.signed_in else ()
        return links[0].url if links else self.public_url

    @cached_property
    def signed_in(self) -> bool:
        """Whether someone is signed in, provisionally or not."""
        return self._request.identity is not None

    @property
    def moment(self) -> tuple[str, str]:
        """The clock: for machines and for people."""
        here = french.local(self._request.now)
        return f"{here:%Y-%m-%dT%H:%M}", french.clock_text(self._request.now)

    @cached_property
    def static(self) -> str:
        """Where our files stand, without a slash at the end."""
        return f"{self._request.seat_path}{self._request.registry.static_prefix}"

    @property
    def source_url(self) -> str:
        """Where the source stands (AGPL-3.0, section 13)."""
        url: str = self._request.portal_settings.source_url
        return url

    @property
    def idle_seconds(self) -> int:
        """How long the session surely lasts without a page: the cookie may be a little older than the page."""
        return int(self._request.portal_settings.session_idle.total_seconds() * (1 - REISSUE_AFTER))

    @property
    def warning_seconds(self) -> int:
        """How long before its end the session's warning shows."""
        return int(self._request.portal_settings.session_warning.total_seconds())

    @property
    def csrf_token(self) -> str:
        """The token that every form carries.  Asking for it opens a session."""
        token: str = self._request.session.get_csrf_token()
        return token

    def links(self, place: str) -> tuple[Link, ...]:
        """Give the links that areas put in a place of the frame."""
        if place not in self._links:
            sources = self._request.registry.frame_links[place]
            self._links[place] = tuple(link for source in sources for link in source(self._request))
        return self._links[place]

    def navigation(self) -> tuple[Link, ...]:
        """Give the links of the masthead: « Accueil » first, « Aide » always (requirements A2, 3.2.6)."""
        home = Link("Accueil", self.public_url)
        help_url = self.public_url + "aide/"
        aid = Link("Aide", help_url, current=self._path.startswith(help_url))
        if not self.signed_in:
            return home, aid, Link("Se connecter", self.public_url + "connexion")
        return *(self.links("navigation") or (home,)), aid

    def current(self, link: Link) -> str | None:
        """Tell how a link stands to this page, in the words of ``aria-current``."""
        if link.url.removeprefix(self._request.host_url).rstrip("/") == self._path:
            return "page"
        return "true" if link.current else None

    @cached_property
    def _path(self) -> str:
        path: str = self._request.path
        return path.rstrip("/")

    def crumbs(self) -> list[Link]:
        """Give the way to this page, from « Accueil », its own last step left out."""
        context = self._request.context
        if context is self._request.portal and not self._request.view_name:
            return []
        if hasattr(context, "crumbs"):
            way = list(context.crumbs(self._request))
        else:
            way = crumbs_to(context, self._request)
            if not self._request.view_name:
                way = way[:-1]
        if self.signed_in and way and way[0].url == self.public_url:
            way[0] = way[0]._replace(url=self.home_url)
        return way

    def messages(self) -> list[Message]:
        """Take the messages that the last page left (``session.flash(words, kind)``).

        A browser without a session gets none by being asked, and one without messages no new cookie.
        """
        if not has_session(self._request):
            return []
        session = self._request.session
        return [
            (kind or "good", words)
            for kind in ("", "warn", "bad")
            if session.peek_flash(kind)
            for words in session.pop_flash(kind)
        ]

    def part(self, name: str, **values: Any) -> Markup:
        """Give a piece of a page that depends on nothing but ``values`` and the town, from ``templates/NAME.pt``.

        It is written once for each set of values, which are hashable.
        """
        parts = self._request.registry.frame_parts
        key = (name, self._request.script_name, *values.values())
        if key not in parts:
            if len(parts) >= MOST_PARTS:
                parts.clear()
            parts[key] = Markup(render(f"sevres_familles:templates/{name}.pt", values, request=self._request))
        return cast(Markup, parts[key])

    def css(self, name: str) -> str:
        """Tell the address of one of our files."""
        return f"{self.static}/{name}"

    def picture(self, name: str) -> str:
        """Tell the address of one of the town's own files."""
        return f"{self._request.seat_path}{self._request.registry.theme_prefix}/{name}"

    @property
    def colours(self) -> str | None:
        """The address of the town's own colours, if it has any."""
        return self.picture(COLOURS) if self._request.registry.theme_has_colours else None


def crumbs_to(node: Any, request: Request) -> list[Link]:
    """Give the way to a node, itself included, from the nearest « Accueil »."""
    way: list[Link] = []
    path = request.resource_path(node)
    for each in lineage(node):
        title = getattr(each, "crumb", None)
        if title:
            way.append(Link(title, path))
            if title == "Accueil":
                break
        path = path[: path.rindex("/", 0, -1) + 1] if path != "/" else path
    return way[::-1]


def tel(phone: str) -> str:
    """Write a French telephone number as a link: ``tel:+33141141123``."""
    return "tel:+33" + phone.replace(" ", "").removeprefix("0")


def phone_link(phone: str) -> str:
    """Write a telephone number as a link."""
    return f'<a href="{tel(phone)}">{escape(phone)}</a>'


def email_link(email: str) -> str:
    """Write an e-mail address as a link."""
    return f'<a href="mailto:{escape(email)}">{foldable(email)}</a>'


def ways(contact: Contact) -> Markup:
    """Write the telephones and the e-mail of a contact as links: « A ou B »; nothing when it has none."""
    links = [*map(phone_link, contact.phones), *([email_link(contact.email)] if contact.email else ())]
    return Markup(" ou ".join(links))


def add_frame_links(config: Configurator, place: str, source: LinkSource) -> None:
    """Declare links of an area (a directive: ``config.add_frame_links``)."""
    config.registry.frame_links[place].append(source)


def _add_globals(event: BeforeRender) -> None:
    request = event["request"]
    if request is None:
        return
    event["frame"] = request.frame
    event["layout"] = get_renderer(LAYOUT).implementation()
    event["french"] = french
    event["icon"] = ICONS
    event["badge"] = badge
    event["stepper"] = stepper
    event["tel"] = tel
    event["ways"] = ways
    event["foldable"] = foldable
    event["whole_words"] = whole_words
    event.rendering_val.setdefault("crumb", event.rendering_val.get("title"))


def _version_of(*files: tuple[str, Path]) -> str:
    """Sum files up in a few characters, so that browsers may keep each version for ever: (name, where it stands)."""
    digest = hashlib.sha256()
    for name, path in sorted(files):
        digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path


def _add_files(config: Configurator) -> None:
    """Serve our files, or what an application put in their places before (``config.override_asset``), and the town's.

    What of the theme nobody could read is told in the log.
    """
    registry = config.registry
    resolver = AssetResolver()
    folder = Path(resolver.resolve(STATIC).abspath())
    ours = [(name, Path(resolver.resolve(f"{STATIC}/{name}").abspath())) for name, _ in _files_of(folder)]
    theme = registry.town.theme
    registry.static_prefix = f"static/{_version_of(*ours)}"
    registry.theme_prefix = f"ville/{_version_of(*_files_of(theme))}"
    registry.theme_has_colours = (theme / COLOURS).exists()
    for prefix, files in ((registry.static_prefix, STATIC), (registry.theme_prefix, str(theme))):
        config.add_static_view(prefix, files, cache_max_age=31536000, factory=lambda request: None)
    for fault in faults_of(registry.town):
        log.warning("The town's theme: %s", fault)


def includeme(config: Configurator) -> None:
    """Add the frame to every template, and our files under addresses that change with them."""
    config.registry.frame_parts = {}
    config.registry.frame_links = {place: [] for place in PLACES}
    config.add_directive("add_frame_links", add_frame_links)
    config.add_request_method(Frame, "frame", reify=True)
    config.add_subscriber(_add_globals, BeforeRender)
    _add_files(config)
