"""The colours of the other town can be read, by day and by night."""

from sevres_familles.web.theme import faults_of, sheets_of
from sevres_familles.web.town import read_town
from tests.host.words import ROOT


def test_its_theme_is_whole_and_can_be_read():
    town = read_town(ROOT / "tests" / "host" / "valombre" / "ville.toml")

    assert len(sheets_of(town)) == 2
    assert faults_of(town) == []
