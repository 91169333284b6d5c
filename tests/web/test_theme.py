"""The looks of a town: contrasts as WCAG has them, by day and by night, and what is told when nobody could read."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sevres_familles.web.theme import PAIRS, contrast, faults_of, measure, read_colours, sheets_of
from sevres_familles.web.town import WrongTownFile, read_town
from tests.conftest import StoppedClock, make_app

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "sevres_familles" / "demo"


@pytest.fixture
def town(tmp_path):
    shutil.copytree(DEMO / "theme", tmp_path / "theme")
    shutil.copy(DEMO / "ville.toml", tmp_path)
    for path in tmp_path.rglob("*"):
        path.chmod(0o700)
    return read_town(tmp_path / "ville.toml")


def colour(town, css):
    (town.theme / "couleurs.css").write_text(css, encoding="utf-8")


class TestContrast:
    def test_of_black_and_white_is_21_whichever_comes_first(self):
        black, white = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)

        assert contrast(black, white) == contrast(white, black) == pytest.approx(21)

    def test_of_a_known_grey_on_white_is_what_everybody_computes(self):
        grey = (0x76 / 255,) * 3

        assert contrast(grey, (1.0, 1.0, 1.0)) == pytest.approx(4.54, abs=0.005)


class TestColours:
    def test_of_the_night_are_those_of_the_day_where_it_says_nothing_else(self):
        day, night = read_colours(
            [":root { --a: #fff; --b: #000 } @media (prefers-color-scheme: dark) { :root { --b: #fff } }"]
        )

        assert (day["a"], night["a"]) == ((1, 1, 1), (1, 1, 1))
        assert (day["b"], night["b"]) == ((0, 0, 0), (1, 1, 1))

    def test_of_a_later_sheet_hold_by_night_too(self):
        _, night = read_colours(["@media (prefers-color-scheme: dark) { :root { --a: #fff } }", ":root { --a: #000 }"])

        assert night["a"] == (0, 0, 0)

    def test_are_not_taken_from_other_rules_nor_other_media(self):
        day, night = read_colours([".x { --a: #fff } @media print { :root { --a: #fff } } :root { --s: 1rem }"])

        assert day == night == {}


class TestOurSheet:
    def test_has_every_colour_that_meets_another(self, town):
        day, _ = read_colours(sheets_of(town))

        assert {name for pair in PAIRS for name in (pair.front, pair.ground)} - day.keys() == set()

    def test_can_be_read_by_day_and_by_night(self, town):
        assert faults_of(town) == []


class TestTheme:
    def test_that_is_too_pale_is_told_pair_by_pair(self, town):
        colour(town, ":root { --link: #8fb7d8 }")

        faults = faults_of(town)

        assert "--link sur --glaze, le jour : 2,1 (il faut 4,5)" in faults
        assert all(fault.startswith("--link sur ") for fault in faults)

    def test_that_forgets_the_night_is_told_of_it(self, town):
        colour(town, ":root { --ink: #222 }")

        assert faults_of(town)
        assert all("--ink" in fault and "la nuit" in fault for fault in faults_of(town))

    def test_whose_colour_is_no_colour_is_told(self, town):
        colour(town, ":root { --title: #12 }")
        assert faults_of(town) == []  # a browser, too, leaves out what it cannot read in a sheet's own value

        bare = measure([":root { --title: var(--other) }"])
        assert all(each.ratio == 0 for each in bare)

    @pytest.mark.parametrize(
        ("content", "fault"),
        [(None, "manque"), ("GIF89a", "n’est pas du XML"), ("<html/>", "n’est pas une image SVG")],
    )
    def test_without_a_right_picture_is_told(self, town, content, fault):
        picture = town.theme / "accueil.svg"
        picture.unlink()
        if content is not None:
            picture.write_text(content)

        (told,) = faults_of(town)

        assert told.startswith("accueil.svg : ")
        assert fault in told

    def test_is_looked_at_when_the_portal_starts(self, town, ini, caplog):
        colour(town, ":root { --link: #8fb7d8 }")

        with caplog.at_level(logging.WARNING):
            make_app({**ini, "sevres.town_file": str(town.theme.parent / "ville.toml")}, StoppedClock(None))

        assert "The town's theme: --link sur --glaze, le jour" in caplog.text

    @pytest.mark.parametrize("folder", [".", "..", "theme/..", "/"])
    def test_is_no_folder_that_holds_the_settings_too(self, town, folder):
        file = town.theme.parent / "ville.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace('theme = "theme"', f'theme = "{folder}"'), encoding="utf-8")

        with pytest.raises(WrongTownFile, match="un dossier à part"):
            read_town(file)


class TestCommand:
    def run(self, town_file, tmp_path):
        ini = tmp_path / "portal.ini"
        text = (ROOT / "development.ini").read_text(encoding="utf-8")
        ini.write_text(text.replace("sevres_familles:demo/ville.toml", str(town_file)), encoding="utf-8")
        command = [str(Path(sys.executable).parent / "sevres-theme"), str(ini)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_says_that_all_can_be_read(self, tmp_path):
        done = self.run(DEMO / "ville.toml", tmp_path)

        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "Tout se lit."

    def test_fails_naming_what_cannot_and_what_is_missing(self, town, tmp_path):
        colour(town, ":root { --link: #8fb7d8 }")
        (town.theme / "embleme.svg").unlink()

        done = self.run(town.theme.parent / "ville.toml", tmp_path)

        assert done.returncode == 1
        assert "À CORRIGER : embleme.svg : manque dans" in done.stdout
        assert "À CORRIGER : --link sur --glaze, le jour" in done.stdout
