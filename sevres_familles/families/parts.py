"""Parts that areas above add to the screens of a family: `add_family_part`.

A family's home and its record are pages of this area, but what is due, the accounts and the payments are not its own.
An area above declares a part with ``config.add_family_part(place, source, renderer)``: ``source(family, request)``
gives the values of the part's template, as a view would, or none when there is nothing to show; ``renderer`` is a
template of that piece of page alone, without the layout, with the same globals as any other (``frame``, ``icon``…).

Places, and what stands there:

``home``
    The main column of « Accueil », in the order of the areas.  The plate « À payer maintenant » is one.
``cards``
    Cards beneath, side by side: each a ``<section class="card">`` with its ``<h2>``.
``record``
    « Votre dossier », above the responsables.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pyramid.config import Configurator
from pyramid.renderers import render
from pyramid.request import Request

from sevres_familles.families.resources import Family
from sevres_familles.web.markup import Markup

PLACES = ("home", "cards", "record")

PartSource = Callable[[Family, Request], Mapping[str, Any] | None]


class Part(NamedTuple):
    """A piece of a family's screen: where its values come from, and its template."""

    source: PartSource
    renderer: str


def add_family_part(config: Configurator, place: str, source: PartSource, renderer: str) -> None:
    """Declare a part of an area (a directive: ``config.add_family_part``)."""
    config.registry.family_parts[place].append(Part(source, renderer))


def parts_of(family: Family, request: Request, place: str) -> list[Markup]:
    """Draw the parts that areas put in a place of a family's screens."""
    drawn = []
    for part in request.registry.family_parts[place]:
        values = part.source(family, request)
        if values is not None:
            drawn.append(Markup(render(part.renderer, dict(values), request=request)))
    return drawn


def includeme(config: Configurator) -> None:
    """Add the directive."""
    config.registry.family_parts = {place: [] for place in PLACES}
    config.add_directive("add_family_part", add_family_part)
