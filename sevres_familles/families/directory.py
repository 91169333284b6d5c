"""The families, as the identity area asks for them (`sevres_familles.identity.directory.Directory`)."""

from collections.abc import Iterator
from typing import Any

from pyramid.config import Configurator

from sevres_familles.domain.family import FamilyRecord
from sevres_familles.identity.directory import PersonalWord


class FamilyDirectory:
    """What is known of the families that show."""

    def exists(self, portal: Any, code: str) -> bool:
        """Tell whether a family of that code shows."""
        return code in portal["familles"]

    def addressee(self, portal: Any, code: str) -> str:
        """Say whom to greet: ``Monsieur DUPOND``; empty when unknown."""
        record = _record(portal, code)
        if record is None or not record.guardians:
            return ""
        guardian = record.guardians[0]
        return f"{guardian.civility} {guardian.last_name}".strip()

    def emails(self, portal: Any, code: str) -> tuple[str, ...]:
        """Give the e-mail addresses of a family's record, the first being the one to write to."""
        record = _record(portal, code)
        return tuple(record.emails()) if record else ()

    def personal_words(self, portal: Any, code: str) -> Iterator[PersonalWord]:
        """Give the names that a family's password may not contain."""
        record = _record(portal, code)
        if record is None:
            return
        for guardian in record.guardians:
            yield PersonalWord(guardian.last_name, "votre nom")
            yield PersonalWord(guardian.first_name, "votre prénom")
        for child in record.children:
            yield PersonalWord(child.first_name, "le prénom d’un enfant")


def _record(portal: Any, code: str) -> FamilyRecord | None:
    families = portal["familles"]
    record: FamilyRecord | None = families[code].record if code in families else None
    return record


def includeme(config: Configurator) -> None:
    """Give the identity area its directory."""
    config.registry.directory = FamilyDirectory()
