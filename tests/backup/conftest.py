"""A small town with money in it, on each storage, with a key and a folder for its backups."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sevres_familles.backup import scripts
from sevres_familles.backup.vault import new_key
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.services import apply
from sevres_familles.web.scripts import init, opened
from tests import factories
from tests.conftest import portal_stored
from tests.journeys.town import write_ini
from tests.payments.making import evidence
from tests.payments.making import opened as payment_opened


@dataclass
class Place:
    """Where a portal runs: its ini, and the folder of its backups."""

    ini: Path
    folder: Path
    backups: Path
    storage: str
    _patch: pytest.MonkeyPatch

    @property
    def var(self) -> Path:
        return self.folder / "var"

    @property
    def key_file(self) -> Path:
        return self.var / "secrets" / "backup.key"

    def run(self, command: Any, *arguments: str | Path) -> int:
        """Run a command in this process, and give its status."""
        self._patch.setattr("sys.argv", ["essai", str(self.ini), *map(str, arguments)])
        try:
            command()
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code)
                return 1
            return end.code or 0
        return 0

    def portal(self) -> Any:
        """Open the portal's registry, as a command does."""
        return opened(str(self.ini))

    def backup(self, *options: str) -> Path:
        """Make a backup, and give it."""
        before = set(self.backups.iterdir())
        assert self.run(scripts.backup, self.backups, *options) == 0
        (made,) = set(self.backups.iterdir()) - before
        return made


@pytest.fixture
def place(tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A town with a key, a family, an invoice, and a payment that the bank took."""
    monkeypatch.setenv("VAR", str(tmp_path / "var"))
    monkeypatch.setenv("PORT", "6543")
    place = Place(write_ini(tmp_path, {"storage": storage}), tmp_path, tmp_path / "backups", storage, monkeypatch)
    place.backups.mkdir()
    assert place.run(init) == 0
    place.key_file.write_text(new_key())
    with place.portal() as request:
        pay(request.registry, "26719", "u1")
    yield place
    assert [path for path in place.var.iterdir() if path.name.startswith(("sauvegarde-", "restauration-"))] == []


def pay(registry: Any, code: str, transaction: str) -> None:
    """Store a family with an invoice, and book its payment."""
    with portal_stored(registry) as portal:
        factories.store_invoice(factories.store_family(portal, code))
        now = registry.clock.now()
        payment = payment_opened(portal, registry, code=code, at=now)
        apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED, transaction=transaction, at=now))
