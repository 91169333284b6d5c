"""The code, the templates and the sheet name no town: the demonstration alone does."""

import re
from pathlib import Path

import pytest

from tests.host.words import ROOT, foreign_words
from tests.machine import tracked

#: What bears the name of the project, not of a town: the package, its settings, its commands.
_OWN = re.compile(r"sevres[_-]familles|\bsevres[.](?!fr\b)|\bsevres-[a-z]+|\bsevres_[a-z{]+|b\"sevres \w+\"")
_TEXT = (".py", ".pt", ".txt", ".html", ".css", ".js", ".svg", ".typ", ".toml", ".xml", ".ttl", ".json")


def sources() -> list[Path]:
    """List what is ours and runs: the package without its demonstration, the templates and the static files."""
    return [
        ROOT / name
        for name in tracked("sevres_familles", "templates", "static")
        if name.endswith(_TEXT) and not name.startswith("sevres_familles/demo/") and (ROOT / name).is_file()
    ]


def test_the_sources_are_found():
    names = {path.relative_to(ROOT).as_posix() for path in sources()}

    assert len(names) > 150
    assert {"templates/layout.pt", "static/look.css", "sevres_familles/payments/services.py"} <= names


def test_none_names_the_town_of_the_demonstration():
    told = {
        path.relative_to(ROOT).as_posix(): found
        for path in sources()
        if (found := foreign_words(_OWN.sub("", path.read_text(encoding="utf-8"))))
    }

    assert told == {}


@pytest.mark.parametrize("word", ["Sèvres", "SEVRES", "92310 sèvres", "01 41 14 11 23", "www.sevres.fr"])
def test_a_word_of_it_would_be_seen(word):
    assert foreign_words(_OWN.sub("", f"à {word}, demain"))


def test_the_name_of_the_project_is_no_town():
    assert not foreign_words(_OWN.sub("", "sevres_familles.web, sevres.var, sevres-init, sevres_familles:static"))
