"""The town whose portal this is, and its régies as the town file gives them.

A TOML file, so that nothing of one town is in the code; the back office takes the régies over later.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sevres_familles.domain import french


class WrongTownFile(Exception):
    """The town file misses something, or has something that is not known."""


@dataclass(frozen=True, kw_only=True)
class Contact:
    """Whom to ask: a service, its address lines, telephones as read (``01 99 00 00 00``), hours."""

    service: str
    address: tuple[str, ...]
    phones: tuple[str, ...]
    hours: str = ""
    email: str = ""


@dataclass(frozen=True, kw_only=True)
class RegieDescription:
    """A régie as the town file describes it.  ``code`` opens its receipt numbers (``SCO``)."""

    name: str
    title: str
    code: str
    activities: tuple[str, ...]
    contact: Contact
    gateway: str

    @property
    def activity_list(self) -> str:
        """What it cashes, in a row: ``Cantines, garderies``."""
        return _in_a_row(self.activities)


@dataclass(frozen=True, kw_only=True)
class Means:
    """A means of payment beside the card on line: « Par chèque à l’ordre de… ».

    ``boxes`` are those of the coupon, to be ticked by hand; none for what goes without the coupon.
    """

    words: str
    boxes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InvoiceTerms:
    """What the invoices of a régie must say beside their figures.

    ``place`` is where the service is given, ``send_to`` the address of the coupon, a line each, ``appeal`` how to
    contest the sum, a sentence or two each.
    """

    place: str = ""
    send_to: tuple[str, ...] = ()
    means: tuple[Means, ...] = ()
    appeal: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Town:
    """The town: its name, its own site, whom to write to about personal data, its general contact.

    ``publisher`` answers for what the site says, ``host`` is the company that runs its machines (both stand in the
    legal notice); ``security_contact`` is the address, ``mailto:`` or ``https:``, that takes reports of weaknesses.
    ``theme`` is the folder of its pictures: ``embleme.svg`` (masthead, icon, receipts), ``accueil.svg`` (the public
    home), and ``couleurs.css`` if it sets the colours of `static/look.css` anew.  ``terms`` are those of the invoices,
    by régie.
    """

    name: str
    title: str
    site: str
    portal_title: str
    contact: Contact
    data_protection: Contact
    publisher: str
    host: Contact
    security_contact: str
    theme: Path
    regies: tuple[RegieDescription, ...]
    terms: Mapping[str, InvoiceTerms] = field(default_factory=dict)
    #: What a code d’accès looks like on its invoices.
    code_example: str = "12345"

    @property
    def site_name(self) -> str:
        """The town's own site as people read it: ``www.ville.example``."""
        return urlsplit(self.site).netloc

    @property
    def activities(self) -> str:
        """What its régies cash, in a row: ``Cantines, garderies, crèches``."""
        return _in_a_row(activity for regie in self.regies for activity in regie.activities)

    @property
    def emblem(self) -> Path:
        """The town's emblem, an SVG picture."""
        return self.theme / "embleme.svg"


def read_town(path: Path) -> Town:
    """Read the town file.

    :raises WrongTownFile: when a key is missing or unknown, or the theme is no folder of its own, naming it.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        regies, common = data.pop("regie"), data.pop("invoices", {})
        return Town(
            terms={each["name"]: _terms(common | each.pop("invoices", {})) for each in regies},
            regies=tuple(map(_regie, regies)),
            contact=_contact(data["town"].pop("contact")),
            data_protection=_contact(data["town"].pop("data_protection")),
            host=_contact(data["town"].pop("host")),
            theme=_theme(path.parent, data["town"].pop("theme")),
            **data.pop("town"),
        )
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise WrongTownFile(f"{path.name}: {error}") from error


def _theme(beside: Path, name: str) -> Path:
    """Give the folder of the town's pictures, which everybody may read: never one that holds its settings too."""
    folder = beside / name
    if beside.resolve().is_relative_to(folder.resolve()):
        raise WrongTownFile(f"theme\u00a0: un dossier à part, et non {folder}, qui serait servi à tout le monde")
    return folder


def _in_a_row(words: Iterable[str]) -> str:
    first, *others = words
    return ", ".join([first, *(each[0].lower() + each[1:] for each in others)])


def _contact(data: dict[str, Any]) -> Contact:
    hours = french.spaced(data.pop("hours", ""))
    return Contact(address=tuple(data.pop("address")), phones=tuple(data.pop("phones")), hours=hours, **data)


def _regie(data: dict[str, Any]) -> RegieDescription:
    return RegieDescription(activities=tuple(data.pop("activities")), contact=_contact(data.pop("contact")), **data)


def _terms(data: dict[str, Any]) -> InvoiceTerms:
    return InvoiceTerms(
        place=data.pop("place", ""),
        means=tuple(Means(boxes=tuple(each.pop("boxes", ())), **each) for each in map(dict, data.pop("means", ()))),
        **{name: tuple(lines) for name, lines in data.items()},
    )
