"""Changing our own secrets while the portal serves: the new one is used at once, the former is honoured for a while.

A secret's file holds one a line, the one in use first, and every process reads it each time: so none has to be started
again, and there is no moment when two workers disagree.
"""

import os
import secrets
from contextlib import closing
from pathlib import Path
from typing import Any

import transaction

from sevres_familles.identity.emails import EmailIndex
from sevres_familles.identity.services import emails_of
from sevres_familles.web.root import Portal, portal_in
from sevres_familles.web.settings import Settings

#: How many families are noted in one transaction.
_BATCH = 200
_ATTEMPTS = 10


def renew(path: Path) -> None:
    """Put a new secret in use, before those that the file holds."""
    _write(path, (secrets.token_hex(32).encode(), *Settings.read_secrets(path)))


def forget_former(path: Path) -> int:
    """Honour the secret in use alone, and tell how many are forgotten."""
    current, *former = Settings.read_secrets(path)
    _write(path, (current,))
    return len(former)


def _write(path: Path, lines: tuple[bytes, ...]) -> None:
    """Replace a file at once, with the owner of the former: whoever reads finds the one or the other, whole."""
    owner = path.stat()
    new = path.with_name(f".{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(b"".join(line + b"\n" for line in lines))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def note_addresses(registry: Any) -> int:
    """Note the addresses of every family under the key in use, and tell of how many families.

    Until it is done, families are found by the lines of the former key.
    """
    manager = transaction.TransactionManager(explicit=True)
    with closing(registry._zodb_databases[""].open(transaction_manager=manager)) as connection:
        with manager:
            codes = list(portal_in(connection.root(), registry)["familles"])
        for start in range(0, len(codes), _BATCH):
            for attempt in manager.attempts(_ATTEMPTS):
                with attempt:
                    _note(portal_in(connection.root(), registry), registry, codes[start : start + _BATCH])
            connection.cacheGC()
    return len(codes)


def _note(portal: Portal, registry: Any, codes: list[str]) -> None:
    index: EmailIndex = portal.stores["emails"]
    key = registry.settings_of_portal.secret("tokens.key")
    for code in codes:
        index.note(key, code, emails_of(portal, registry, code))
