"""A command of the project in a process that a fork server made: a real one, ready in a tenth of the time.

The fork server (`tests.forking`) imports this module once, and with it what every command needs; each process then runs
a command by its entry point, as its script does.
"""

import importlib
import multiprocessing
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from pathlib import Path

import pyramid.scripts.pserve  # noqa: F401 - imported before the fork, for speed alone

import sevres_familles

# Commands, and all views, which an application would import one by one when it is made.
for _each in pkgutil.walk_packages(sevres_familles.__path__, "sevres_familles."):
    importlib.import_module(_each.name)


def run(command: str, arguments: Sequence[str], environ: Mapping[str, str], log: Path, gate: Connection) -> None:
    """Wait for the word to go, then run a command; what it says goes to a log."""
    for name in ("VAR", "PORT"):  # of another test: the fork server has the environment of whoever used it first
        os.environ.pop(name, None)
    os.environ.update(environ)
    # As a script it may start others, which multiprocessing does not let a child do that it ends with its parent.
    multiprocessing.current_process()._config["daemon"] = False
    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    gate.recv()
    (script,) = entry_points(group="console_scripts", name=command)
    main = script.load()
    sys.argv = [command, *arguments]
    # pserve took hold of the list of arguments when it was imported.
    main(sys.argv) if command == "pserve" else main()
