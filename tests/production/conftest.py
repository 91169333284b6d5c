"""One town behind its proxy for all these tests."""

from collections.abc import Iterator

import pytest

from tests.production.proxied import ProxiedTown, running_proxied_town


@pytest.fixture(scope="package")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProxiedTown]:
    with running_proxied_town(tmp_path_factory.mktemp("proxied")) as town:
        yield town
