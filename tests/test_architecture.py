"""The house is built as it says: one order of areas, a pure domain, one place for each thing."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from sevres_familles import AREAS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "sevres_familles"
#: Folders of templates that are no area's: what stands around pages, forms, errors, mails, documents.
SHARED_TEMPLATES = {"frame", "forms", "errors", "mail", "documents"}
#: Folders of the package that are no area.
BESIDE_AREAS = {"domain", "sandbox", "demo", "backup"}
#: Folders of tests that are about no one area: a browser's journeys, storages, faults, a host application, production.
ACROSS_AREAS = {"faults", "host", "journeys", "leaks", "production", "storage", "supply"}
VAGUE = {"utils", "util", "helpers", "common", "misc", "base", "manager"}


def modules(folder: Path = PACKAGE) -> list[Path]:
    """List the modules of a folder, not those that the links in the package lead to."""
    return sorted(path for path in folder.rglob("*.py") if "__pycache__" not in path.parts)


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(path: Path) -> Iterator[str]:
    """Give the modules that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield node.module or ""


def test_areas_are_included_in_the_order_of_the_import_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")

    order = chain.from_iterable(layer.split(" | ") for layer in reversed(layers))

    assert ("domain", *AREAS) == tuple(order)


def test_every_import_contract_is_kept():
    command = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert " 0 broken" in done.stdout


def test_every_folder_of_the_package_is_an_area_or_is_named_beside_them():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}

    assert folders == {*AREAS, *BESIDE_AREAS}


def test_the_domain_imports_the_standard_library_alone():
    strangers = {
        f"{name_of(path)} imports {module}"
        for path in modules(PACKAGE / "domain")
        for module in imported(path)
        if module.split(".")[0] not in sys.stdlib_module_names and not module.startswith("sevres_familles.domain")
    }

    assert strangers == set()


def test_the_sandbox_and_the_portal_do_not_know_each_other():
    sandbox = {module for path in modules(PACKAGE / "sandbox") for module in imported(path)}
    portal = {module for path in modules() if "sandbox" not in path.parts for module in imported(path)}

    assert {each for each in sandbox if each.startswith("sevres_familles")} == {
        each for each in sandbox if each.startswith("sevres_familles.sandbox")
    }
    assert not {each for each in portal if each.startswith("sevres_familles.sandbox")}


def test_no_area_imports_the_demonstration():
    guilty = {
        name_of(path)
        for path in modules()
        if "demo" not in path.relative_to(PACKAGE).parts
        for module in imported(path)
        if module.startswith("sevres_familles.demo")
    }

    assert guilty == set()


def test_views_and_subscribers_are_imported_by_their_own_area_alone():
    found_by_name = re.compile(r"sevres_familles\.(\w+)\.(?:views|subscribers|evolve)\b")
    guilty = {
        f"{name_of(path)} imports {module}"
        for path in modules()
        for module in imported(path)
        if (found := found_by_name.match(module)) and path.relative_to(PACKAGE).parts[0] != found[1]
    }

    assert guilty == set()


def test_no_module_has_a_name_that_says_nothing():
    names = {part for path in modules() for part in path.relative_to(PACKAGE).with_suffix("").parts}

    assert names & VAGUE == set()


def test_no_test_module_of_an_area_stands_elsewhere():
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/__init__.py")}

    assert folders - ACROSS_AREAS == {*AREAS, "domain", "sandbox"} | (folders & BESIDE_AREAS)


def test_templates_stand_in_the_folder_of_their_area():
    folders = {path.name for path in (ROOT / "templates").iterdir() if path.is_dir()}

    assert folders <= {*AREAS, *SHARED_TEMPLATES}
    assert [path.name for path in (ROOT / "templates").iterdir() if path.is_file()] == ["layout.pt"]


@pytest.mark.parametrize("area", [area for area in AREAS if area != "web"])
def test_an_area_renders_its_own_templates_alone(area):
    spec = re.compile(r"sevres_familles:templates/(\w+)/")
    used = {folder for path in modules(PACKAGE / area) for folder in spec.findall(path.read_text(encoding="utf-8"))}

    assert used <= {area, "mail"}


def test_every_template_is_named_somewhere():
    """Those of forms/ are named by deform's widgets."""
    pages = [path for path in (ROOT / "templates").rglob("*.pt") if path.parent.name != "forms"]
    texts = {path: path.read_text(encoding="utf-8") for path in [*modules(), *pages]}

    def is_named(page: Path) -> bool:
        whole = re.escape(page.relative_to(ROOT / "templates").with_suffix("").as_posix())
        name = re.compile(rf"\b{page.stem}\b" if page.parent.name == "errors" else rf"{whole}\b|\b{page.name}")
        return any(name.search(text) for path, text in texts.items() if path != page)

    assert [page.name for page in pages if not is_named(page)] == []


def test_no_path_of_a_machine_stands_in_the_project():
    folders = ("sevres_familles", "templates", "static", "docs", "benchmarks")
    texts = [ROOT / name for name in ("README.md", "CHANGES.md", "Makefile", "setup.py", "pyproject.toml")]
    for folder in folders:
        texts += [path for path in (ROOT / folder).rglob("*") if path.suffix in {".py", ".md", ".pt", ".css", ".js"}]
    path_of_a_machine = re.compile(r"(?<![\w.{}/])/(?:tmp|work|home|root|Users)/")

    assert [str(path) for path in texts if path_of_a_machine.search(path.read_text(encoding="utf-8"))] == []
