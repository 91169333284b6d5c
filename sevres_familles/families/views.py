"""Pages of a family: its home and its record.  What other areas add to them is in `sevres_familles.families.parts`."""

from collections.abc import Iterator
from typing import Any

from pyramid.request import Request
from pyramid.traversal import quote_path_segment
from pyramid.view import view_config, view_defaults

from sevres_familles.families.cards import guardian_cards
from sevres_familles.families.parts import parts_of
from sevres_familles.families.resources import Family
from sevres_familles.families.services import greeting, households
from sevres_familles.web.frame import Link
from sevres_familles.web.security import Permission


@view_defaults(context=Family, permission=Permission.FAMILY_VIEW, request_method="GET")
class ShowFamily:
    """Show a family to itself."""

    def __init__(self, context: Family, request: Request) -> None:
        self.family = context
        self.record: Any = context.record
        self.request = request

    @view_config(renderer="sevres_familles:templates/families/home.pt")
    def home(self) -> dict[str, Any]:
        """Show « Accueil »: what is due first, « Vos coordonnées », and where to go."""
        names = dict.fromkeys(guardian.last_name for guardian in self.record.guardians)
        return {
            "title": f"Accueil de la famille {' et '.join(names)}",
            "greeting": greeting(self.record.guardians),
            "code": self.family.code,
            "electronic": self.family.electronic_only,
            "households": tuple(households(self.record)),
            "parts": parts_of(self.family, self.request, "home"),
            "cards": parts_of(self.family, self.request, "cards"),
            "url": self.request.resource_path(self.family),
        }

    @view_config(name="dossier", renderer="sevres_familles:templates/families/record.pt")
    def show_record(self) -> dict[str, Any]:
        """Show « Votre dossier »: every field of the responsables, the children, the accounts."""
        return {
            "title": "Votre dossier",
            "parts": parts_of(self.family, self.request, "record"),
            "guardians": guardian_cards(self.record.guardians),
            "children": self.record.children,
        }


def navigation(request: Request) -> Iterator[Link]:
    """Give the links of a family that is signed in: « Accueil » and « Votre dossier », where its accounts stand too."""
    identity = request.identity
    if identity is None or identity.confined_to:
        return
    home = f"{request.portal_path}familles/{quote_path_segment(identity.code)}/"
    yield Link("Accueil", home)
    yield Link("Votre dossier", f"{home}dossier", current=request.path.startswith(f"{home}comptes"))
