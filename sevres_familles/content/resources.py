"""Nodes of the content area: pages, and folders of pages, which keep their versions."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from BTrees.IOBTree import IOBTree
from persistent import Persistent

from sevres_familles.web.container import Container, Node
from sevres_familles.web.security import DENY_ALL

_HEADING = re.compile(r'<h2 id="([^"]+)">(.*?)</h2>')
_TAG = re.compile(r"<[^>]+>")


class Section(NamedTuple):
    """A part of a page: the name of its anchor, and its heading as HTML."""

    anchor: str
    heading: str


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a page said at a time.  ``html`` is clean already, its facts not yet put in; ``note`` says what changed."""

    title: str
    summary: str
    html: str
    author: str
    at: datetime
    note: str

    def sections(self) -> list[Section]:
        """List the parts of the text, for « Sur cette page »."""
        return [Section(anchor, _TAG.sub("", heading)) for anchor, heading in _HEADING.findall(self.html)]


class Versioned(Persistent):
    """Something written: its versions by number, of which one may be live, and one a draft.

    ``oid`` stays the same when the page is moved.  Versions are never changed or taken away.
    """

    #: The number of the version that people read; none when the page was never published, or withdrawn.
    live: int | None = None
    #: The number of the version that is being written.
    draft: int | None = None

    def __init__(self, oid: int) -> None:
        super().__init__()
        self.oid = oid
        self.versions: IOBTree = IOBTree()

    @property
    def __acl__(self) -> tuple[Any, ...]:
        """Follow from the state: what is not published is closed, what is lets the portal's own list decide."""
        return () if self.live else (DENY_ALL,)

    @property
    def text(self) -> Version:
        """The live version.

        :raises KeyError: when there is none.
        """
        version: Version = self.versions[self.live or 0]
        return version

    @property
    def crumb(self) -> str | None:
        """The name in the breadcrumbs."""
        return self.text.title if self.live else None


class Page(Versioned, Node):
    """A page."""


class Folder(Versioned, Container):
    """A page that holds others, in the order of ``order``."""

    order: tuple[str, ...] = ()

    def add(self, name: str, node: Any) -> Any:
        """Put a page at the end.

        :raises ValueError: when the name is taken, or could not stand in an address.
        """
        super().add(name, node)
        self.order = (*self.order, name)
        return node

    def remove(self, name: str) -> None:
        """Take a page out.

        :raises KeyError: when there is none.
        """
        super().remove(name)
        self.order = tuple(each for each in self.order if each != name)

    def published(self) -> Iterator[Page]:
        """Go through the live pages, in order."""
        return (page for page in map(self.__getitem__, self.order) if page.live)


class Oids(Persistent):
    """The identities given to pages: one is never given twice."""

    last: int = 0

    def give(self) -> int:
        """Give a new one."""
        self.last += 1
        return self.last
