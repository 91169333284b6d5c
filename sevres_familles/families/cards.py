"""The cards of a family's guardians, drawn as text: they stand on « Votre dossier » and, folded, by every invoice."""

from collections.abc import Iterable

from sevres_familles.domain.family import Guardian
from sevres_familles.families.services import guardian_fields
from sevres_familles.web.markup import Markup, facts


def guardian_cards(guardians: Iterable[Guardian]) -> Markup:
    """Draw « Responsable 1 » and « Responsable 2 », every field."""
    return Markup("".join(_card(number, guardian) for number, guardian in enumerate(guardians, start=1)))


def _card(number: int, guardian: Guardian) -> str:
    return (
        f'<section class="card line" aria-labelledby="h-r{number}"><h2 id="h-r{number}">Responsable {number}</h2>'
        f"{facts(guardian_fields(guardian))}</section>"
    )
