"""What must never serve families: each danger is named, and the portal does not start.

Production refuses all of it.  *Recette* is the same, but for the demonstration bank, the TEST mode, plain http on this
very machine, and the demonstration's data when a setting allows them.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg2
from psycopg2.extensions import parse_dsn
from pyramid.path import AssetResolver

from sevres_familles.web.storage import embedded_folder, libpq_address
from sevres_familles.web.town import WrongTownFile, read_town

if TYPE_CHECKING:
    from sevres_familles.web.settings import Settings

#: What a developer turns on, in the ini or the environment (requirements S29).
_DEBUG = (
    *("debug_all", "debug_authorization", "debug_notfound", "debug_routematch", "debug_templates"),
    *("reload_all", "reload_assets", "reload_resources", "reload_templates"),
)
_TOOLBAR = "pyramid_debugtoolbar"
#: What production.ini and ville.toml leave to be filled in.
_CAPITALS = re.compile(r"\bVILLE\.EXAMPLE\b|\bA_REMPLIR\b")
_DEMONSTRATION = "sevres_familles:demo/ville.toml"
#: Keys of a town file: which town it is, what is made up in the demonstration's, what tells a town from any other.
_WHO = re.compile(r"town\.(name|title|site)")
_MADE_UP = re.compile(r"town\.(security_contact|host\.service)")
_TELLING = re.compile(
    rf"{_MADE_UP.pattern}|{_WHO.pattern}|town\.(portal_title|publisher)|.+\.(address|phones|send_to|place)"
)


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
        yield "sevres.smtp_password_file manque : sevres.smtp_user a un mot de passe"
    if settings.smtp_user and settings.smtp_security == "none":
        yield "sevres.smtp_security doit être starttls ou smtps : un mot de passe ne voyage jamais en clair"


def _common_dangers(settings: "Settings", raw: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    yield from _debugging(raw, environ)
    for name, value in raw.items():
        if name.startswith("sevres.") and _CAPITALS.search(str(value)):
            yield f"{name} reste à remplir"
    for name in ("public_url", "bank_form_url", "bank_rest_url"):
        address = urlsplit(getattr(settings, name))
        if address.scheme != "https" and (settings.is_production or not is_on_loopback(address.hostname)):
            yield f"sevres.{name} doit être en https"
    if settings.smtp_security == "none" and not is_on_loopback(settings.smtp_host):
        yield "sevres.smtp_security doit être starttls ou smtps : le relais est sur une autre machine"
    yield from _town_dangers(settings)
    yield from _open_doors(settings)
    yield from _database_dangers(settings, environ)


def _debugging(raw: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[str]:
    """Find what helps developers, and strangers."""
    off = ("", "0", "f", "false", "n", "no", "off")
    for each in _DEBUG:
        if str(raw.get(f"pyramid.{each}", "")).lower() not in off:
            yield f"pyramid.{each} doit être désactivé"
        if environ.get(f"PYRAMID_{each.upper()}", "").lower() not in off:
            yield f"PYRAMID_{each.upper()} ne doit pas être dans l’environnement"
    if _TOOLBAR in str(raw.get("pyramid.includes", "")) or find_spec(_TOOLBAR):
        yield f"{_TOOLBAR} ne doit pas être installé"


def _open_doors(settings: "Settings") -> Iterator[str]:
    """Find what others could read or write: reading a database runs what is in it, secrets open all (S19, S28)."""
    folders = [settings.var, settings.secrets_folder]
    if settings.storage.startswith("embedded:"):
        folders.append(embedded_folder(settings.storage))
    kept = settings.secrets_folder.iterdir() if settings.secrets_folder.is_dir() else ()
    for path in sorted({*folders, *settings.secret_files, *kept}):
        if path.exists() and S_IMODE(path.stat().st_mode) & 0o077:
            yield f"{path} ne doit être lisible que par le service (chmod {700 if path.is_dir() else 600})"


def _database_dangers(settings: "Settings", environ: Mapping[str, str]) -> Iterator[str]:
    """Find a database elsewhere that could be another than it says: only verify-full compares its name (S19)."""
    if not settings.storage.startswith("postgres"):
        return
    try:
        words = parse_dsn(libpq_address(settings.storage))
    except psycopg2.ProgrammingError:
        yield "sevres.storage n’est pas une adresse que PostgreSQL comprend"
        return
    if words.get("sslmode") != "verify-full" and any(map(_is_elsewhere, _places_of(words, environ))):
        yield "sevres.storage doit dire sslmode=verify-full : la base est sur une autre machine"


def _places_of(words: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[str]:
    """Give every place that libpq may go to for a database: several stand between commas."""
    for name in ("host", "hostaddr"):
        yield from (words.get(name) or environ.get(f"PG{name.upper()}", "")).split(",")
    # Its own file says where a service is.
    yield words.get("service") or environ.get("PGSERVICE", "")


def _is_elsewhere(place: str) -> bool:
    """Tell whether a place is on another machine: none, and a folder or an abstract name, is a socket of this one."""
    return not place.startswith(("/", "@")) and place != "" and not is_on_loopback(place)


def _dangers_for_money(settings: "Settings") -> Iterator[str]:
    """Find what would take no money, or somebody else's."""
    if settings.demo_data:
        yield "sevres.demo_data doit être false en production"
    if settings.bank_mode != "PRODUCTION":
        yield "sevres.bank_mode doit être PRODUCTION en production"
    if not re.fullmatch(r"[0-9]{8}", settings.bank_site_id):
        yield "sevres.bank_site_id doit être les huit chiffres donnés par la banque"
    for name in ("bank_form_url", "bank_rest_url"):
        if is_on_loopback(urlsplit(getattr(settings, name)).hostname):
            yield f"sevres.{name} ne doit pas être la banque de démonstration en production"


def _town_dangers(settings: "Settings") -> Iterator[str]:
    """Find what the town file leaves to be filled in, or says of another town: families would write and call there."""
    path = settings.town_file
    try:
        read_town(path)
    except FileNotFoundError:
        yield f"sevres.town_file : {path} n’existe pas"
        return
    except (WrongTownFile, OSError, UnicodeDecodeError) as error:
        yield f"sevres.town_file : {error}"
        return
    values = set(_values_in(path))
    left = {value for _, value in values if _CAPITALS.search(value)}
    if not settings.may_show_demonstration:
        left |= _words_of_the_demonstration(values)
    for key, value in values:
        if value in left:
            yield f"sevres.town_file : {key} reste à remplir, on y lit « {value} »"


def _words_of_the_demonstration(values: set[tuple[str, str]]) -> set[str]:
    """Give what only the demonstration's town file may say.  The very town that it names says so of itself."""
    demonstration = set(_values_in(Path(AssetResolver().resolve(_DEMONSTRATION).abspath())))
    is_that_town = {each for each in demonstration if _WHO.fullmatch(each[0])} <= values
    telling = _MADE_UP if is_that_town else _TELLING
    return {value for key, value in demonstration if telling.fullmatch(key)}


def _values_in(path: Path) -> Iterator[tuple[str, str]]:
    """Give every text of a TOML file, and its key."""

    def walk(key: str, value: Any) -> Iterator[tuple[str, str]]:
        match value:
            case str():
                yield key, value
            case dict():
                for name, each in value.items():
                    yield from walk(f"{key}.{name}" if key else name, each)
            case list():
                # Several tables under one name, as the régies are, are told apart by their place.
                for place, each in enumerate(value, start=1):
                    yield from walk(f"{key}[{place}]" if isinstance(each, dict) else key, each)

    return walk("", tomllib.loads(path.read_text(encoding="utf-8")))
