"""Long lists, a page at a time: ``?page=2``."""

import re
from typing import NamedTuple

from pyramid.httpexceptions import HTTPNotFound
from pyramid.request import Request

_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)


class Paging(NamedTuple):
    """Which page of a list is shown: page ``number`` of ``length`` things, ``size`` a page."""

    number: int
    length: int
    size: int

    @property
    def pages(self) -> int:
        """How many pages there are: an empty list has one, empty."""
        return max(1, -(-self.length // self.size))

    @property
    def start(self) -> int:
        """How many things stand on the pages before."""
        return (self.number - 1) * self.size

    @property
    def end(self) -> int:
        """How many things stand on this page and those before."""
        return min(self.start + self.size, self.length)

    @property
    def newer(self) -> int | None:
        """The page before this one."""
        return self.number - 1 if self.number > 1 else None

    @property
    def older(self) -> int | None:
        """The page after this one."""
        return self.number + 1 if self.number < self.pages else None


def page_of(request: Request, length: int, size: int) -> Paging:
    """Read which page of a list the address asks for.

    :raises HTTPNotFound: when there is no such page.
    """
    text = request.GET.get("page", "1")
    paging = Paging(int(text) if _NUMBER.fullmatch(text) else 0, length, size)
    if not 1 <= paging.number <= paging.pages:
        raise HTTPNotFound
    return paging
