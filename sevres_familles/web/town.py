"""The town whose portal this is, and its régies as the town file gives them.

A TOML file, so that nothing of one town is in the code; the back office takes the régies over later.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class WrongTownFile(Exception):
    """The town file misses something, or has something that is not known."""


@dataclass(frozen=True, kw_only=True)
class Contact:
    """Whom to ask: a service, its address lines, telephones as read (``01 41 14 11 23``), hours."""

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


@dataclass(frozen=True, kw_only=True)
class Town:
    """The town: its name, its own site, whom to write to about personal data, its general contact."""

    name: str
    title: str
    site: str
    portal_title: str
    contact: Contact
    data_protection: Contact
    regies: tuple[RegieDescription, ...]


def read_town(path: Path) -> Town:
    """Read the town file.

    :raises WrongTownFile: when a key is missing or unknown, naming it.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return Town(
            regies=tuple(_regie(each) for each in data.pop("regie")),
            contact=_contact(data["town"].pop("contact")),
            data_protection=_contact(data["town"].pop("data_protection")),
            **data.pop("town"),
        )
    except (KeyError, TypeError, tomllib.TOMLDecodeError) as error:
        raise WrongTownFile(f"{path.name}: {error}") from error


def _contact(data: dict[str, Any]) -> Contact:
    return Contact(address=tuple(data.pop("address")), phones=tuple(data.pop("phones")), **data)


def _regie(data: dict[str, Any]) -> RegieDescription:
    return RegieDescription(
        activities=tuple(data.pop("activities")), contact=_contact(data.pop("contact")), **data
    )
