"""What identity asks of the area that knows the families, which stands above it and sets ``registry.directory``."""

from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol


class PersonalWord(NamedTuple):
    """A word that a family's password may not contain, and what it is: ``DUPOND``, « votre nom »."""

    word: str
    what: str


class Directory(Protocol):
    """Whatever knows the families by code."""

    def exists(self, portal: Any, code: str) -> bool:
        """Tell whether a family of that code shows."""
        ...

    def addressee(self, portal: Any, code: str) -> str:
        """Say whom to greet: ``Monsieur DUPOND``; empty when unknown."""
        ...

    def emails(self, portal: Any, code: str) -> tuple[str, ...]:
        """Give the e-mail addresses of a family's record, the first being the one to write to."""
        ...

    def personal_words(self, portal: Any, code: str) -> Iterable[PersonalWord]:
        """Give the names that a family's password may not contain."""
        ...
