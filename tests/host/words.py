"""Words of the demonstration's town, which no page, mail or paper of another may have."""

import re
import tomllib
from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

from sevres_familles.domain.family import Address, Child, FamilyRecord, Guardian
from sevres_familles.domain.french import fold

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "sevres_familles" / "demo" / "ville.toml"

#: What is said alike elsewhere.
COMMON = {"scolaire", "delegue a la protection des donnees"}

MOULIN = Address(number="5", street="rue du Moulin", postcode="99010", town="VALOMBRE")
#: A family of the other town.
LUNE = FamilyRecord(
    guardians=(
        Guardian(
            "Madame", "LUNE", "Aube", mobile="07 99 99 99 01", email="aube.lune@exemple.fr", address=MOULIN
        ),
        Guardian("Monsieur", "LUNE", "Côme", address=MOULIN),
    ),
    children=(Child("Iris", date(2018, 5, 4)), Child("Zélie", date(2020, 2, 29))),
)  # fmt: skip


def _strings(data: object) -> Iterator[str]:
    match data:
        case str():
            yield data
        case list():
            for each in data:
                yield from _strings(each)
        case dict():
            for name, each in data.items():
                # What many towns say alike.
                if name not in ("gateway", "theme", "activities", "appeal", "means", "code", "code_example"):
                    yield from _strings(each)


@cache
def foreign() -> re.Pattern[str]:
    """Make the pattern of the demonstration's names, addresses, telephones and régies, without accents or case."""
    told = {fold(each) for each in _strings(tomllib.loads(DEMO.read_text(encoding="utf-8")))}
    assert {"01 41 14 11 23", "54 grande rue", "beauregard"} <= told
    return re.compile("|".join(["sevres", *(re.escape(each) for each in sorted(told - COMMON))]))


def foreign_words(text: str) -> list[str]:
    """List what of a text is of the demonstration's town, each with what stands around it."""
    folded = fold(text)
    return [folded[max(0, found.start() - 30) : found.end() + 30] for found in foreign().finditer(folded)]
