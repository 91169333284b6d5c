"""What installation.md tells an administrator to type is there, and an upgrade leaves alone what serves."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.sandbox.running import ask, wait_until

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "deploy" / "systemd"
#: The lines to type: they stand four spaces in; what goes on in the next line is one.
TYPED = "\n".join(
    line.strip()
    for line in (ROOT / "docs" / "installation.md").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    if line.startswith("    ")
)


class TestWhatIsTyped:
    def test_copies_files_that_there_are(self):
        copied = [name for name in re.findall(r"^cp (?:-\w )?(\S+) ", TYPED, re.MULTILINE) if not name.startswith("/")]

        assert {"production.ini", "deploy/ville.toml", "deploy/nginx/espace-familles.conf"} <= set(copied)
        assert [name for name in copied if not list(ROOT.glob(name))] == []

    def test_installs_by_lists_that_there_are(self):
        lists = re.findall(r"pip install .*-r (\S+)", TYPED)

        assert lists == ["requirements/build.txt", "requirements/run.txt"] * 2
        assert all((ROOT / name).exists() for name in lists)

    def test_runs_commands_that_there_are(self):
        ours = {each.name for each in entry_points(group="console_scripts")}
        run = set(re.findall(r"/opt/espace-familles\S*?/bin/(\S+)", TYPED))

        assert run <= ours | {"pip"}
        assert {"sevres-init", "sevres-theme", "sevres-backup", "sevres-import"} <= run

    def test_starts_every_service_that_there_is(self):
        enabled = " ".join(re.findall(r"^systemctl enable (.*)$", TYPED, re.MULTILINE)).split()
        there = {each.name for each in UNITS.iterdir() if each.is_file()}
        timed = {each.with_suffix(".service").name for each in UNITS.glob("*.timer")}
        named = {re.sub(r"@\d+", "@", name) for name in enabled if name != "--now"}
        named = {name if "." in name else f"{name}.service" for name in named}

        assert named == there - timed

    def test_installs_nothing_over_what_serves(self):
        places = re.findall(r"(/opt/\S+)/bin/pip install", TYPED)
        through_the_link = set(
            re.findall(r"ExecStart=-?(\S+)/bin/", "".join(u.read_text() for u in UNITS.glob("*.service")))
        )

        assert through_the_link == {"/opt/espace-familles"}
        assert len(places) == 6
        assert through_the_link & set(places) == set()
        for place in set(places):
            assert f"python3 -m venv {place}\n" in TYPED
            assert re.search(rf"^ln -s\w* {Path(place).name} /opt/espace-familles$", TYPED, re.MULTILINE)


class Environments:
    """Environments of two versions, as pip makes them, and the link to the one in use."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.link = folder, folder / "espace-familles"

    def install(self, version: str) -> Path:
        """Make the environment of a version, and give its package: ours, with the libraries of these tests."""
        place = self.folder / f"espace-familles-{version}"
        venv.create(place, symlinks=True, with_pip=False)
        libraries = place / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
        (libraries / "libraries.pth").write_text(sysconfig.get_path("purelib"))
        # But the demonstration bank, whose cards the scan of what tests leave would take for a family's.
        shutil.copytree(
            ROOT / "sevres_familles",
            libraries / "sevres_familles",
            ignore=shutil.ignore_patterns("sandbox", "__pycache__"),
        )
        command = place / "bin" / "pserve"
        command.write_text(
            f"#!{place}/bin/python\nimport sys\nfrom pyramid.scripts.pserve import main\nsys.exit(main())\n"
        )
        command.chmod(0o755)
        return libraries / "sevres_familles"

    def use(self, version: str) -> None:
        """Lead the link to a version."""
        subprocess.run(["ln", "-sfn", f"espace-familles-{version}", self.link], check=True)

    @contextmanager
    def serving(self, port: int) -> Iterator[str]:
        """Serve what the link leads to, as the units do, and give its address."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CHAMELEON"))}
        process = subprocess.Popen(
            [str(self.link / "bin" / "pserve"), "-q", str(ROOT / "development.ini")],
            env={**kept, "VAR": str(self.folder / "var"), "PORT": str(port)},
            cwd=self.folder,
        )
        try:
            wait_until(lambda: answers(port), "the worker answers")
            yield f"http://localhost:{port}"
        finally:
            process.terminate()
            process.wait(60)


def answers(port: int) -> bool:
    try:
        return ask(f"http://localhost:{port}/healthz").status == 200
    except OSError:
        return False


@pytest.fixture
def environments(tmp_path: Path) -> Environments:
    environments = Environments(tmp_path)
    environments.install("0.1.0")
    newer = environments.install("0.2.0") / "templates" / "identity" / "sign_in.pt"
    newer.write_text(newer.read_text(encoding="utf-8").replace("<h1>", "<h1>La version d’après : "), encoding="utf-8")
    environments.use("0.1.0")
    init = [Path(sys.executable).with_name("sevres-init"), ROOT / "development.ini"]
    subprocess.run(init, check=True, env=os.environ | {"VAR": str(tmp_path / "var")}, stdout=subprocess.DEVNULL)
    return environments


def test_a_worker_serves_its_own_version_until_it_is_started_again(environments):
    """Templates are read at their first use, and Typst reads its files at each: the ones of the code that runs."""
    port = free_ports()
    with environments.serving(port) as address:
        environments.use("0.2.0")

        assert "La version d’après" not in ask(f"{address}/connexion").text

    with environments.serving(port) as address:
        assert "La version d’après" in ask(f"{address}/connexion").text

    environments.use("0.1.0")
    with environments.serving(port) as address:
        assert "La version d’après" not in ask(f"{address}/connexion").text
