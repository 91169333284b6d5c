"""Acts on pages: saving, publishing; and the links to pages that stand in the frame."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import urljoin

import nh3
from pyramid.request import Request

from sevres_familles.content import accessibility, facts
from sevres_familles.content.resources import Page, Version, Versioned
from sevres_familles.domain import french
from sevres_familles.web.frame import Link
from sevres_familles.web.logs import tell
from sevres_familles.web.root import Portal

#: What a page may be made of; the rest is taken out, or its tags are and its words stay.
_TAGS = {
    *("h2", "h3", "p", "ul", "ol", "li", "strong", "em", "a", "br", "abbr", "div", "dl", "dt", "dd"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href"}, "abbr": {"title"}, "th": {"scope"}}
_CLASSES = {"div": {"note", "warn"}, "ol": {"steps"}}
_SCHEMES = {"http", "https", "mailto", "tel"}

_H2 = re.compile(r"<h2>(.*?)</h2>", re.DOTALL)
_TEXT = re.compile(r"(?<=>)[^<]+|^[^<]+")
_NOT_IN_ANCHORS = re.compile(r"[^a-z0-9]+")

#: The pages that the footer shows: of the help, and of the root.
HELP = ("mode-d-emploi", "payer-autrement", "contact")
LEGAL = ("accessibilite", "donnees-personnelles", "mentions-legales", "securite")


#: How long a copy of security.txt counts; RFC 9116 advises less than a year.
SECURITY_LIFE = timedelta(days=180)


def save_version(page: Versioned, *, title: str, summary: str, html: str, author: str, at: datetime, note: str) -> int:
    """Keep a new version of a page, cleaned, as its draft, and give its number.

    :raises facts.WrongFact: when the text names a fact that is not known.
    """
    for text in (title, summary):
        if "{{" in text:
            raise facts.WrongFact("Une information ne peut pas être placée dans un titre ou un résumé.")
    cleaned = clean(html)
    facts.check(cleaned)
    number: int = max(page.versions, default=0) + 1
    page.versions[number] = Version(
        title=french.spaced(title), summary=french.spaced(summary), html=cleaned, author=author, at=at, note=note
    )
    page.draft = number
    return number


def publish(page: Versioned) -> None:
    """Let people read the draft.

    :raises ValueError: when there is none.
    """
    if page.draft is None:
        raise ValueError("there is no draft")
    page.live, page.draft = page.draft, None
    if page._p_jar is not None:  # a page that is made now is no publication of somebody
        tell(page, "page published", page=page.__name__)


def clean(html: str) -> str:
    """Clean what was written: allowed tags alone, French spaces, and an anchor on every second-level heading."""
    allowed = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes=_SCHEMES,
        link_rel=None,
    )
    return _anchored(_TEXT.sub(lambda text: french.spaced(text[0]), allowed))


def _anchored(html: str) -> str:
    """Give every second-level heading an ``id`` made of its words, each a different one."""
    given: set[str] = set()

    def name(heading: re.Match[str]) -> str:
        words = re.sub(r"<[^>]+>|&\w+;", " ", heading[1])
        anchor = wanted = _NOT_IN_ANCHORS.sub("-", french.fold(words)).strip("-") or "partie"
        count = 1
        while anchor in given:
            count += 1
            anchor = f"{wanted}-{count}"
        given.add(anchor)
        return f'<h2 id="{anchor}">{heading[1]}</h2>'

    return _H2.sub(name, html)


def help_links(request: Request) -> Iterator[Link]:
    """Give the links of the frame to the help pages."""
    folder = request.portal["aide"]
    path = f"{request.portal_path}aide/"
    for name in HELP:
        if name in folder and folder[name].live:
            yield Link(folder[name].text.title, path + name)


def legal_links(request: Request) -> Iterator[Link]:
    """Give the links of the frame to the legal pages.  The one to accessibility says how the portal stands to it."""
    portal: Portal = request.portal
    path = request.portal_path
    for name in LEGAL:
        if name not in portal:
            continue
        page: Page = portal[name]
        if page.live:
            title = page.text.title
            if name == "accessibilite":
                title = f"{title}\u00a0: {accessibility.conformity(request.portal_settings, request.today)}"
            yield Link(title, path + name)
    yield Link("Plan du site", f"{path}plan-du-site")


def security_notice(request: Request) -> str:
    """Write ``security.txt``: whom to tell of a weakness (RFC 9116).

    It stands at the root of the host; an application that seats the portal elsewhere shows it there itself.
    """
    settings = request.portal_settings
    return (
        f"Contact: {request.town.security_contact}\n"
        f"Expires: {request.now + SECURITY_LIFE:%Y-%m-%dT%H:%M:%SZ}\n"
        "Preferred-Languages: fr, en\n"
        f"Canonical: {urljoin(settings.public_url, '/.well-known/security.txt')}\n"
        f"Policy: {request.public_address}securite\n"
    )
