"""The fork server has imported what its processes need, whichever tests were collected."""

import sys

import pytest

from tests.forking import PRELOADED, forking
from tests.machine import ROOT


def tell_imported(name, answer):
    answer.send(name in sys.modules)


@pytest.mark.parametrize("name", PRELOADED)
def test_a_process_finds_imported_what_it_needs(name):
    told, answer = forking.Pipe(duplex=False)
    process = forking.Process(target=tell_imported, args=(name, answer))
    process.start()

    assert told.recv()
    process.join()


def test_nobody_else_says_what_it_imports():
    telling = {each.name for each in (ROOT / "tests").rglob("*.py") if ".set_forkserver_preload" in each.read_text()}

    assert telling == {"forking.py", "test_forking.py"}
