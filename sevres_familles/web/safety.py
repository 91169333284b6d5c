"""What must never serve families: each danger is named, and the portal does not start.

Production refuses all of it.  *Recette* is the same, but for the demonstration bank, the TEST mode, plain http on this
very machine, and the demonstration's data when a setting allows them.
"""

import os
import re
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from pyramid.path import AssetResolver

if TYPE_CHECKING:
    from sevres_familles.web.settings import Settings

#: What a developer turns on, in the ini or the environment (requirements S29).
_DEBUG = (
    *("debug_all", "debug_authorization", "debug_notfound", "debug_routematch", "debug_templates"),
    *("reload_all", "reload_assets", "reload_resources", "reload_templates"),
)
_TOOLBAR = "pyramid_debugtoolbar"
#: What production.ini leaves to be filled in.
_CAPITALS = re.compile(r"\bVILLE\.EXAMPLE\b|\bA_REMPLIR\b")
#: PostgreSQL's ways that make sure whom they speak to (requirements S19).
_VERIFIED = frozenset({"verify-ca", "verify-full"})


def dangers_of(settings: "Settings", raw: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> list[str]:
    """List what is unsafe in settings; ``raw`` is the whole ini."""
    found = [*_mail_dangers(settings)]
    if not settings.is_development:
        found += _common_dangers(settings, raw, environ)
    if settings.is_production:
        found += _dangers_for_money(settings)
    return sorted(found)


def is_on_loopback(host: str | None) -> bool:
    """Tell whether a host is this very machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _mail_dangers(settings: "Settings") -> Iterator[str]:
    if settings.smtp_user and settings.smtp_password_file is None:
        yield "sevres.smtp_password_file is missing: sevres.smtp_user has a password"
    if settings.smtp_user and settings.smtp_security == "none":
        yield "sevres.smtp_security must be starttls or smtps: a password never travels in the clear"


def _common_dangers(settings: "Settings", raw: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    yield from _debugging(raw, environ)
    for name, value in raw.items():
        if name.startswith("sevres.") and _CAPITALS.search(str(value)):
            yield f"{name} is still to be filled in"
    for name in ("public_url", "bank_form_url", "bank_rest_url"):
        address = urlsplit(getattr(settings, name))
        if address.scheme != "https" and (settings.is_production or not is_on_loopback(address.hostname)):
            yield f"sevres.{name} must be https"
    if settings.smtp_security == "none" and not is_on_loopback(settings.smtp_host):
        yield "sevres.smtp_security must be starttls or smtps: the relay is on another machine"
    if _is_of_the_demonstration(settings.town_file) and not settings.may_show_demonstration:
        yield "sevres.town_file must not be that of the demonstration"
    yield from _open_doors(settings)


def _debugging(raw: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    """Find what helps developers, and strangers."""
    off = ("", "0", "f", "false", "n", "no", "off")
    for each in _DEBUG:
        if str(raw.get(f"pyramid.{each}", "")).lower() not in off:
            yield f"pyramid.{each} must be off"
        if environ.get(f"PYRAMID_{each.upper()}", "").lower() not in off:
            yield f"PYRAMID_{each.upper()} must not be set"
    if _TOOLBAR in str(raw.get("pyramid.includes", "")) or find_spec(_TOOLBAR):
        yield f"{_TOOLBAR} must not be installed"


def _open_doors(settings: "Settings") -> Iterator[str]:
    """Find what others could read or write: reading a database runs what is in it, secrets open all (S19, S28)."""
    folders = [settings.var]
    address = urlsplit(settings.storage)
    if address.scheme == "embedded":
        folders.append(Path(address.netloc + address.path))
    for path in (*settings.secret_files, *folders):
        if path.exists() and S_IMODE(path.stat().st_mode) & 0o077:
            yield f"{path} must be readable by the service alone (chmod {700 if path.is_dir() else 600})"
    is_elsewhere = address.scheme.startswith("postgres") and address.hostname and not is_on_loopback(address.hostname)
    if is_elsewhere and not _VERIFIED.intersection(parse_qs(address.query).get("sslmode", ())):
        yield "sevres.storage must say sslmode=verify-full: the database is on another machine"


def _dangers_for_money(settings: "Settings") -> Iterator[str]:
    """Find what would take no money, or somebody else's."""
    if settings.demo_data:
        yield "sevres.demo_data must be false in production"
    if settings.bank_mode != "PRODUCTION":
        yield "sevres.bank_mode must be PRODUCTION in production"
    if not re.fullmatch(r"[0-9]{8}", settings.bank_site_id):
        yield "sevres.bank_site_id must be the eight digits of the bank"
    for name in ("bank_form_url", "bank_rest_url"):
        if is_on_loopback(urlsplit(getattr(settings, name)).hostname):
            yield f"sevres.{name} must not be the demonstration bank in production"


def _is_of_the_demonstration(path: Path) -> bool:
    demonstration = Path(AssetResolver().resolve("sevres_familles:demo").abspath())
    return path.resolve().is_relative_to(demonstration.resolve())
