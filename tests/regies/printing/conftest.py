"""Fixtures of the print runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyramid.request import Request, apply_request_extensions


@pytest.fixture
def ask(registry: Any) -> Callable[[], Request]:
    """Give a new request, as a command makes one: its moment is that of the clock now."""

    def ask() -> Request:
        request = Request.blank("/", base_url="http://localhost")
        request.registry, request.context = registry, None
        apply_request_extensions(request)
        return request

    return ask


@pytest.fixture
def impressions(registry: Any) -> Path:
    """The folder of the runs' files."""
    folder: Path = registry.settings_of_portal.var / "impressions"
    return folder
