"""Facts that pages name and do not say: ``{{contact.telephones}}``.

They come from the town file and the settings: a telephone number changes in one place, and every page follows.  A fact
is HTML, made here from what the town file says.
"""

import re
from collections.abc import Callable, Mapping
from html import escape
from typing import cast

from pyramid.request import Request

from sevres_familles.content import accessibility
from sevres_familles.web.frame import email_link, phone_link
from sevres_familles.web.markup import Markup
from sevres_familles.web.town import Contact

Fact = Callable[[Request], str]

_NAMED = re.compile(r"\{\{\s*([^{}<>]*?)\s*\}\}")
_IN_A_TAG = re.compile(r"<[^>]*\{\{")


class WrongFact(ValueError):
    """A text names a fact that is not known, or names one where none can stand."""


def check(html: str) -> None:
    """Check that a text names facts that are known, between tags and not in them.

    :raises WrongFact: naming the first that is wrong.
    """
    if _IN_A_TAG.search(html):
        raise WrongFact("Une information ne peut pas être placée dans une balise.")
    for name in _NAMED.findall(html):
        if name not in FACTS:
            raise WrongFact(f"« {name} » n’est pas une information connue.")
    if "{{" in _NAMED.sub("", html):
        raise WrongFact("Une information est mal écrite : elle commence par {{ et finit par }}.")


def filled(html: str, request: Request) -> Markup:
    """Put the facts into a text, and lead its links, written from the portal's home, to where the portal is seated.

    :raises KeyError: when it names a fact that is not known any more.
    """
    seated = html.replace('href="/', f'href="{request.portal_path}')
    return Markup(_NAMED.sub(lambda found: FACTS[found[1]](request), seated))


def phones(contact: Contact) -> str:
    """Write the telephone numbers of a contact as links: « A ou B »."""
    return " ou ".join(map(phone_link, contact.phones))


def _address(contact: Contact) -> str:
    return ", ".join(map(escape, contact.address))


def _whole(contact: Contact) -> str:
    """Write a contact whole, a line each."""
    lines = (
        f"<strong>{escape(contact.service)}</strong>",
        *map(escape, contact.address),
        phones(contact),
        email_link(contact.email) if contact.email else "",
        escape(contact.hours),
    )
    return "<br>".join(filter(None, lines))


def _regies(request: Request) -> str:
    return cast(str, request.frame.part("content/regies"))


def _security(request: Request) -> str:
    address = request.town.security_contact
    return f'<a href="{escape(address)}">{escape(address.removeprefix("mailto:"))}</a>'


def _minutes(request: Request) -> str:
    return f"{request.portal_settings.session_idle.total_seconds() / 60:.0f}\u00a0minutes"


FACTS: Mapping[str, Fact] = {
    "ville.nom": lambda request: escape(request.town.name),
    "ville.titre": lambda request: escape(request.town.title),
    "ville.site": lambda request: f'<a href="{escape(request.town.site)}">{escape(request.town.site_name)}</a>',
    "portail.titre": lambda request: escape(request.town.portal_title),
    "portail.adresse": lambda request: escape(request.public_address.rstrip("/")),
    "portail.source": lambda request: f'<a href="{escape(request.portal_settings.source_url)}">code source</a>',
    "contact": lambda request: _whole(request.town.contact),
    "contact.service": lambda request: escape(request.town.contact.service),
    "contact.adresse": lambda request: _address(request.town.contact),
    "contact.telephones": lambda request: phones(request.town.contact),
    "contact.horaires": lambda request: escape(request.town.contact.hours),
    "donnees.contact": lambda request: _whole(request.town.data_protection),
    "publication.directeur": lambda request: escape(request.town.publisher),
    "hebergeur": lambda request: _whole(request.town.host),
    "code.exemple": lambda request: escape(request.town.code_example),
    "securite.contact": _security,
    "regies": _regies,
    "accessibilite.mention": lambda request: accessibility.conformity(request.portal_settings, request.today),
    "accessibilite.resultats": lambda request: accessibility.results(request.portal_settings, request.today),
    "session.minutes": _minutes,
}
