"""A dump of the database gives no password, no printed password, no token and no ticket (requirements I2)."""

import base64
import secrets

from sevres_familles.domain.references import random_printed_password, squeeze
from sevres_familles.identity.resources import Scope, Session
from sevres_familles.identity.services import ask_confirmation, ask_reset, credentials_of, issue_printed_password
from sevres_familles.identity.tokens import token_for
from tests import factories

FAMILIES = 250


def test_a_dump_of_the_database_gives_none_of_a_thousand_secrets(stored, registry, clock, announced):
    settings = registry.settings_of_portal
    seeded = []
    with stored() as portal:
        for number in range(FAMILIES):
            code = str(10_000 + number)
            record = factories.DUPOND._replace(
                guardians=(factories.DUPOND.guardians[0]._replace(email=f"family{number}@example.fr"),)
            )
            factories.store_family(portal, code, record, key=settings.secret("tokens.key"))
            password, ticket = secrets.token_urlsafe(12), secrets.token_hex(16)
            credentials = credentials_of(portal, code)
            credentials.set_password(registry.passwords.hash(password))
            printed = issue_printed_password(portal, registry, code, clock.now(), random_printed_password())
            credentials.open_session(ticket, Session(clock.now(), Scope.FAMILY), settings.session_absolute)
            ask_reset(portal, registry, f"family{number}@example.fr", clock.now())
            ask_confirmation(portal, registry, code, f"other{number}@example.fr", clock.now())
            asked, confirming = announced[-2:]
            seeded += [
                password,
                printed,
                squeeze(printed),
                ticket,
                token_for(settings, "reset", code, asked.links[0].nonce),
                token_for(settings, "email", code, confirming.nonce),
            ]

    with stored() as portal:
        dump = b"\0".join(record.data for each in portal._p_jar.db().storage.iterator() for record in each)

    assert len(seeded) >= 1_000
    assert len(dump) > 100_000
    for secret in seeded:
        for form in forms_of(secret):
            assert form not in dump


def forms_of(secret):
    """The forms in which a secret could lie about."""
    plain = secret.encode()
    yield plain
    yield secret.encode("utf-16-le")
    yield plain[::-1]
    yield plain.hex().encode()
    # Base64 that begins at any of three places of what is around it, its uncertain ends left out.
    for shift in range(3):
        yield base64.b64encode(b"\0" * shift + plain)[4:-4]
    try:
        yield bytes.fromhex(secret)
    except ValueError:
        return
