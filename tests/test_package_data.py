"""What is built from the repository is whole: each file once, no link left, and the portal runs from it."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sevres_familles"
NOT_COPIED = shutil.ignore_patterns(
    ".*", "var", "build", "dist", "*.egg-info", "__pycache__", "tests", "benchmarks", "node_modules"
)


def wanted() -> set[str]:
    """List what the package has, by the names that a wheel gives them."""
    found = set()
    for folder, folders, names in os.walk(PACKAGE, followlinks=True):
        folders[:] = [each for each in folders if each != "__pycache__"]
        found |= {(Path(folder) / name).relative_to(ROOT).as_posix() for name in names}
    return {name for name in found if not name.endswith((".pyc", ".pyo"))}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where sdist and wheel were built, the wheel from the sdist, from a copy of the repository."""
    folder = tmp_path_factory.mktemp("built")
    source = folder / "source"
    shutil.copytree(ROOT, source, symlinks=True, ignore=NOT_COPIED)
    run(source, "setup.py", "-q", "sdist", "--dist-dir", str(folder / "sdist"))
    (sdist,) = (folder / "sdist").iterdir()
    run(
        folder,
        "-m",
        "pip",
        "-q",
        "wheel",
        str(sdist),
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        str(folder / "wheel"),
    )
    # Its manuals name the cards of the demonstration's bank, which nothing that a run leaves may.
    shutil.rmtree(source)
    return folder


def run(folder: Path, *arguments: str, **environ: str) -> str:
    """Run Python in a folder, quietly, and give what it said."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PIP_", "PYTHON", "COV", "VAR", "PORT"))
    }
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={**clean, **environ}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(built: Path) -> zipfile.ZipFile:
    (path,) = (built / "wheel").iterdir()
    with zipfile.ZipFile(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def sdist(built: Path) -> tarfile.TarFile:
    (path,) = (built / "sdist").iterdir()
    with tarfile.open(path) as opened:
        yield opened


class TestWheel:
    def test_has_every_file_of_the_package_and_no_other(self, wheel):
        files = {name for name in wheel.namelist() if ".dist-info/" not in name}

        assert wanted() - files == set()
        assert files - wanted() == set()

    def test_has_each_file_once(self, wheel):
        repeated = [name for name, count in Counter(wheel.namelist()).items() if count > 1]
        assert repeated == []

        contents = Counter(
            (PurePosixPath(name).name, wheel.getinfo(name).CRC, wheel.getinfo(name).file_size)
            for name in wheel.namelist()
            if wheel.getinfo(name).file_size > 200
        )
        assert [key for key, count in contents.items() if count > 1] == []

    def test_has_files_where_the_repository_has_links(self, wheel):
        assert (PACKAGE / "templates").is_symlink()
        assert (PACKAGE / "static").is_symlink()
        for name in ("sevres_familles/templates/layout.pt", "sevres_familles/static/look.css"):
            assert wheel.getinfo(name).external_attr >> 28 != 0o12
            assert wheel.read(name) == (ROOT / name).read_bytes()

    @pytest.mark.parametrize(
        "name",
        [
            "templates/layout.pt",
            "templates/documents/receipt.typ",
            "templates/mail/receipt.txt",
            "templates/forms/textinput.pt",
            "static/look.css",
            "static/portal.js",
            "content/pages/aide.mode-d-emploi.html",
            "demo/ville.toml",
            "demo/theme/embleme.svg",
            "demo/files/familles.csv",
            "sandbox/bank/templates/card.pt",
            "sandbox/mailbox/templates/mails.pt",
        ],
    )
    def test_has_what_is_read_when_it_runs(self, wheel, name):
        assert wheel.read(f"sevres_familles/{name}")

    def test_has_the_fonts(self, wheel):
        assert [name for name in wheel.namelist() if name.endswith(".woff2")]

    def test_has_no_test_no_secret_and_no_database(self, wheel):
        assert not [
            name for name in wheel.namelist() if re.search(r"tests?/|\.key$|\.password$|\.sqlite|\.pyc$|/var/", name)
        ]

    def test_says_its_licence(self, wheel):
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))

        assert re.search(r"^License(?:-Expression)?: AGPL-3.0-or-later$", wheel.read(name).decode(), re.MULTILINE)
        assert [name for name in wheel.namelist() if name.endswith("LICENSE")]


class TestSourceDistribution:
    def test_has_no_link(self, sdist):
        assert [member.name for member in sdist.getmembers() if member.issym() or member.islnk()] == []

    def test_has_every_file_of_the_package_once(self, sdist):
        names = [PurePosixPath(*PurePosixPath(member.name).parts[1:]).as_posix() for member in sdist if member.isfile()]

        assert wanted() - set(names) == set()
        assert len(names) == len(set(names))

    def test_has_what_goes_with_it(self, sdist):
        names = {PurePosixPath(member.name).name for member in sdist}

        assert {"LICENSE", "README.md", "CHANGES.md", "setup.py", "pyproject.toml", "constraints.txt"} <= names


SERVE = """
import sevres_familles, sys
from pyramid.config import Configurator
from pathlib import Path
from webtest import TestApp
from sevres_familles.web.scripts import prepare_database
assert Path(sevres_familles.__file__).is_relative_to(sys.argv[1]), sevres_familles.__file__
from tests_ini import INI
app = sevres_familles.main({}, **INI)
prepare_database(app.registry)
browser = TestApp(app, extra_environ={"HTTP_HOST": "localhost"})
page = browser.get("/")
for link in page.html.find_all("link"):
    browser.get(link["href"], status=200)
browser.get("/aide/mode-d-emploi", status=200)
browser.get("/connexion", status=200)
from sevres_familles.sandbox.bank import app as bank
from sevres_familles.web.documents import typeset
print(page.html.h1.text)
"""


def test_the_portal_runs_from_the_wheel_alone(built, ini, tmp_path):
    (path,) = (built / "wheel").iterdir()
    target = tmp_path / "installed"
    run(tmp_path, "-m", "pip", "-q", "install", "--no-deps", "--no-index", "--target", str(target), str(path))
    (tmp_path / "tests_ini.py").write_text(f"INI = {ini!r}\n", encoding="utf-8")
    (tmp_path / "serve.py").write_text(SERVE, encoding="utf-8")

    said = run(tmp_path, "serve.py", str(target), PYTHONPATH=str(target))
    shutil.rmtree(target)  # the sandbox's cards stand in it

    assert said.strip() == "Bienvenue dans l’espace familles"


def test_every_command_of_the_wheel_leads_to_a_function(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    lines = [line.split(" = ")[1] for line in wheel.read(name).decode().splitlines() if " = " in line]

    assert len(lines) > 8
    for line in lines:
        module, _, function = line.partition(":")
        assert callable(getattr(__import__(module, fromlist=["_"]), function))
