"""Addresses: those that mails carry, and where a sign-in may lead back to."""

import re
from urllib.parse import unquote, urlsplit

from pyramid.request import Request
from pyramid.traversal import resource_path_tuple, traversal_path

from sevres_familles.domain.references import is_family_code
from sevres_familles.identity.events import ResetLink
from sevres_familles.identity.tokens import Purpose, token_for

#: The page that each link opens.
PAGES = {Purpose.RESET: "nouveau-mot-de-passe", Purpose.EMAIL: "confirmer-mon-adresse"}

_LOCAL = re.compile(r"/(?!/)[^\\\x00-\x20\x7f]*", re.ASCII)


def reset_url(request: Request, link: ResetLink) -> str:
    """Write the address by which a family chooses a new password."""
    return _link_url(request, Purpose.RESET, link.code, link.nonce)


def confirmation_url(request: Request, code: str, nonce: str) -> str:
    """Write the address by which a family confirms its e-mail address."""
    return _link_url(request, Purpose.EMAIL, code, nonce)


def _link_url(request: Request, purpose: Purpose, code: str, nonce: str) -> str:
    token = token_for(request.portal_settings, purpose, code, nonce)
    url: str = request.resource_url(request.portal, PAGES[purpose], code, token)
    return url


def local_path(text: str) -> str | None:
    """Give a path of this very site, or nothing for an address that could lead elsewhere (requirements S25).

    Whatever is encoded in it, however often, must be harmless too: some server on the way may decode it.
    """
    seen = text
    while True:
        if not seen.isascii() or not _LOCAL.fullmatch(seen) or "//" in seen:
            return None
        decoded = unquote(seen)
        if decoded == seen:
            return text
        if not decoded.isascii():
            # An accent is harmless; nothing else that is encoded in this round may hide behind it.
            decoded = "".join(each for each in decoded if each.isascii())
        seen = decoded


def code_in(request: Request, path: str) -> str:
    """Find the code d’accès of the family that a path of this site is a page of, or nothing.

    So who opens an invoice from its letter need not type the code; it says nothing that the address does not.
    """
    try:
        way = traversal_path(urlsplit(path).path.removeprefix(request.script_name))
    except UnicodeDecodeError:
        return ""
    seat = resource_path_tuple(request.portal)[1:]
    families, code = (*way[len(seat) :], "", "")[:2]
    return code if way[: len(seat)] == seat and families == "familles" and is_family_code(code) else ""
