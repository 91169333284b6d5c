"""Fixtures of the exchange files."""

import pytest

from tests.regies.exchange.making import Folder


@pytest.fixture
def folder(tmp_path, registry):
    return Folder(tmp_path / "files", registry)
