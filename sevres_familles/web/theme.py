"""The looks of a town: its pictures are there, and its colours can be read, by day and by night (docs/theming.md).

Colours are the custom properties of ``static/look.css``, set anew by the theme's ``couleurs.css``.  Which of them meet
on a page is told by `PAIRS`; the ratios are those of WCAG 2.2 (1.4.3 for words, 1.4.11 for edges and signs).
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, cast
from xml.etree import ElementTree

import tinycss2
import tinycss2.color4
from pyramid.path import AssetResolver

from sevres_familles.web.town import Town

#: Our sheet, or what an application put in its place (``config.override_asset``).
SHEET = "sevres_familles:static/look.css"
COLOURS = "couleurs.css"
#: The pictures that a theme must have: masthead, icon and papers; public home.
PICTURES = ("embleme.svg", "accueil.svg")

_WORDS, _SIGNS = 4.5, 3.0
_NIGHT = "(prefers-color-scheme:dark)"

#: Red, green and blue from 0 to 1.
Colour = tuple[float, float, float]


class Pair(NamedTuple):
    """Two properties that meet on a page, and the contrast that they need."""

    front: str
    ground: str
    needed: float


#: What stands on what: words or signs, the grounds they are seen on, the contrast they need.
_MEETINGS = (
    ("on-rim on-rim-soft", "rim rim-deep", _WORDS),
    ("on-act", "act act-over", _WORDS),
    ("ink ink-soft title link", "ground glaze wash", _WORDS),
    *((f"{state}-ink", state, _WORDS) for state in ("sky", "daff", "apple", "rose", "slate")),
    ("edge act focus", "ground glaze", _SIGNS),
    ("focus-lit", "rim rim-deep", _SIGNS),
)
PAIRS = tuple(
    Pair(front, ground, needed)
    for fronts, grounds, needed in _MEETINGS
    for front in fronts.split()
    for ground in grounds.split()
)


class Measure(NamedTuple):
    """The contrast of a pair, by day or by night."""

    pair: Pair
    is_night: bool
    ratio: float

    @property
    def is_enough(self) -> bool:
        """Whether it can be read."""
        return self.ratio >= self.pair.needed

    def __str__(self) -> str:
        ratio, needed = (f"{each:.1f}".replace(".", ",") for each in (self.ratio, self.pair.needed))
        when = "la nuit" if self.is_night else "le jour"
        return f"--{self.pair.front} sur --{self.pair.ground}, {when} : {ratio} (il faut {needed})"


def contrast(one: Colour, other: Colour) -> float:
    """Compute the contrast of two colours, from 1 to 21 (WCAG 2.2, « contrast ratio »)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def read_colours(sheets: Iterable[str]) -> tuple[dict[str, Colour], dict[str, Colour]]:
    """Read the custom properties of ``:root`` that are colours, by day and by night; later sheets win."""
    day: dict[str, Colour] = {}
    night: dict[str, Colour] = {}
    for sheet in sheets:
        shown, by_night = _colours_in(sheet)
        day |= shown
        night |= shown | by_night
    return day, night


@cache
def _colours_in(sheet: str) -> tuple[dict[str, Colour], dict[str, Colour]]:
    """Read the colours of a sheet, and those that it sets anew by night; once, for it is a quarter of a start."""
    rules = tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)
    by_night: dict[str, Colour] = {}
    for rule in rules:
        if rule.type == "at-rule" and rule.at_keyword == "media" and _words(rule.prelude) == _NIGHT:
            by_night |= _properties(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True))
    return _properties(rules), by_night


def _words(tokens: Iterable[Any]) -> str:
    return cast(str, tinycss2.serialize(tokens)).replace(" ", "").strip()


def _properties(rules: Iterable[Any]) -> dict[str, Colour]:
    found = {}
    for rule in rules:
        if rule.type != "qualified-rule" or _words(rule.prelude) != ":root":
            continue
        for each in tinycss2.parse_declaration_list(rule.content, skip_comments=True, skip_whitespace=True):
            if each.type == "declaration" and each.name.startswith("--"):
                colour = _colour(_words(each.value))
                if colour:
                    found[each.name.removeprefix("--")] = colour
    return found


def _colour(value: str) -> Colour | None:
    """Read a colour that is written in red, green and blue (``#15266b``, ``rgb(…)``, ``navy``); none of another."""
    colour = tinycss2.color4.parse_color(value)
    if colour is None or colour == "currentcolor" or colour.space != "srgb":
        return None
    return cast(Colour, tuple(colour.coordinates))


def measure(sheets: Iterable[str]) -> list[Measure]:
    """Measure every pair, by day and by night.  What is no colour in red, green and blue contrasts with nothing."""
    measures = []
    for is_night, colours in enumerate(read_colours(sheets)):
        for pair in PAIRS:
            front, ground = colours.get(pair.front), colours.get(pair.ground)
            ratio = contrast(front, ground) if front and ground else 0
            measures.append(Measure(pair, bool(is_night), ratio))
    return measures


def sheets_of(town: Town) -> list[str]:
    """Give the sheets of a town, in the order of their loading: ours, and its own if it has any."""
    ours = Path(AssetResolver().resolve(SHEET).abspath())
    return [each.read_text(encoding="utf-8") for each in (ours, town.theme / COLOURS) if each.exists()]


def faults_of(town: Town) -> list[str]:
    """List what is wrong with the looks of a town: pictures that are missing or no SVG, colours that cannot be read."""
    return [*_picture_faults(town), *(str(each) for each in measure(sheets_of(town)) if not each.is_enough)]


def _picture_faults(town: Town) -> Iterator[str]:
    for name in PICTURES:
        try:
            root = ElementTree.parse(town.theme / name).getroot()  # noqa: S314 - the town's own file, no visitor's
        except FileNotFoundError:
            yield f"{name} : manque dans {town.theme}"
        except ElementTree.ParseError:
            yield f"{name} : n’est pas du XML"
        else:
            if root.tag != "{http://www.w3.org/2000/svg}svg":
                yield f"{name} : n’est pas une image SVG"
