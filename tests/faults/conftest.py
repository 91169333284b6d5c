"""What the fault tests stand on: a small town in the files of an embedded database."""

import pytest

from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.services import apply
from tests.conftest import NOW, StoppedClock, make_app, portal_stored, settings_in
from tests.payments.making import evidence, opened
from tests.regies.exchange.making import Folder, balance, child, family, invoice, line

#: One with so many invoices that its account takes several pages of SQLite, and others.
LARGE, CODES = "26719", [str(code) for code in range(30001, 30031)]


def make_town(folder):
    """Make an application on an embedded database with some families, imported; give it with its settings."""
    ini = settings_in(folder) | {"sevres.storage": "embedded://{var}/database"}
    app = make_app(ini, StoppedClock(NOW))
    bills = [(str(number), LARGE) for number in range(1, 61)] + [(code, code) for code in CODES]
    outcome = Folder(folder / "files", app.registry).take(
        familles=[family(code, **{"R1 e-mail": f"f{code}@courriel.example"}) for code in (LARGE, *CODES)],
        enfants=[child(code) for code in (LARGE, *CODES)],
        factures=[invoice(number, code) for number, code in bills],
        lignes=[line(number) for number, _ in bills],
        soldes=[balance(code=code) for code in CODES],
    )
    assert outcome.lot == 1, outcome.faults.report()
    return app


def close(app):
    for database in app.registry._zodb_databases.values():
        database.close()


def pay(app, code, name, transaction):
    """Pay an invoice in one transaction, the bank having accepted."""
    with portal_stored(app.registry) as portal:
        payment = opened(portal, app.registry, name, code=code)
        apply(portal, app.registry, payment, evidence(EvidenceKind.AUTHORISED, transaction=transaction))
    return payment


@pytest.fixture(scope="session")
def town_files(tmp_path_factory):
    """The folder of a database at rest: families, some of which have paid."""
    folder = tmp_path_factory.mktemp("town")
    app = make_town(folder)
    for code in CODES[:6]:
        pay(app, code, f"2026-{code}", f"u{code}")
    pay(app, LARGE, "2026-1", "u1")
    close(app)
    return folder / "var" / "database"
