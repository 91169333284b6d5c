"""The locked libraries: each by a version that constraints.txt says, and by hashes; nothing else is installed."""

import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = ("build", "run", "demo", "test")
_PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?P<more>(?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def named(name):
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def locked(file):
    text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8")
    return {
        named(found["name"]): (found["version"], found["more"].count("--hash=sha256:")) for found in _PIN.finditer(text)
    }


@cache
def constrained():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {named(name): version for name, _, version in (line.partition("==") for line in lines if line)}


@pytest.mark.parametrize("file", FILES)
def test_are_of_the_versions_that_constraints_say(file):
    assert {name: version for name, (version, _) in locked(file).items()}.items() <= constrained().items()


def test_are_all_that_constraints_name():
    assert locked("test").keys() == constrained().keys()


@pytest.mark.parametrize("file", [*FILES, "tools"])
def test_have_hashes_each(file):
    assert locked(file)
    assert [name for name, (_, hashes) in locked(file).items() if not hashes] == []


@pytest.mark.parametrize("file", [*FILES, "tools"])
def test_name_no_registry_nor_any_other_place(file):
    text = (ROOT / "requirements" / f"{file}.txt").read_text(encoding="utf-8")

    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)


def test_are_enough_for_what_the_portal_says_it_needs():
    said = (ROOT / "setup.py").read_text(encoding="utf-8")
    run = re.search(r"^RUN = \[(.*?)^\]", said, re.MULTILINE | re.DOTALL)
    wanted = {named(re.match(r"[\w.-]+", each)[0]) for each in re.findall(r'"([^"]+)"', run[1])}

    assert wanted <= locked("run").keys()
    assert locked("run").keys() < locked("demo").keys() < locked("test").keys()


def test_those_that_build_are_the_ones_that_the_project_asks_for():
    asked = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]

    assert [re.match(r"[\w.-]+", each)[0] for each in asked] == list(locked("build"))


def test_ci_installs_nothing_without_a_hash():
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(INSTALL)", "pip install --no-build-isolation")
    installs = [line for line in recipe.splitlines() if re.search(r"pip\b.* install ", line) and ":=" not in line]

    assert len(installs) >= 6
    assert [line for line in installs if "--require-hashes" not in line and "--no-deps" not in line] == []
