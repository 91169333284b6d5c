"""Packing: what nothing refers to any more leaves the database (requirements R10)."""

from typing import Any

from sevres_familles.backup.databases import database_at


def pack(registry: Any) -> tuple[int, int]:
    """Drop the records that nothing refers to, while the portal serves; give how many there were, and are.

    Make a backup first, and verify afterwards: it is the one act that takes records away.
    """
    database = database_at(registry.settings_of_portal.storage)
    before = database.records()
    registry._zodb_databases[""].pack()
    return before, database.records()
