"""A town that outgrows SQLite moves to PostgreSQL with RelStorage's own tool, seals and all (docs/backup.md)."""

import subprocess

from sevres_familles.payments.checking import verify_portal
from sevres_familles.web.storage import libpq_address
from tests import factories
from tests.conftest import make_app, portal_stored
from tests.journeys.town import BIN

CONVERSION = """
%import relstorage
<relstorage source>
  keep-history false
  <sqlite3>
    data-dir {folder}
  </sqlite3>
</relstorage>
<relstorage destination>
  keep-history false
  <postgresql>
    dsn {address}
  </postgresql>
</relstorage>
"""


def test_a_portal_moves_from_sqlite_to_postgresql(ini, clock, postgres, tmp_path):
    folder = tmp_path / "database"
    before = make_app({**ini, "sevres.storage": f"embedded://{folder}"}, clock)
    with portal_stored(before.registry) as portal:
        factories.store_invoice(factories.store_family(portal))
    before.registry._zodb_databases[""].close()
    with postgres.database() as address:
        conversion = tmp_path / "conversion.conf"
        conversion.write_text(CONVERSION.format(folder=folder, address=libpq_address(address)))

        subprocess.run([BIN / "zodbconvert", conversion], check=True, capture_output=True)

        after = make_app({**ini, "sevres.storage": address}, clock)
        with portal_stored(after.registry) as portal:
            assert portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"].left().cents == 6000
            assert verify_portal(portal).faults == ()
            # New objects get numbers of their own.
            factories.store_family(portal, "30001")
        with portal_stored(after.registry) as portal:
            assert verify_portal(portal).faults == ()
        after.registry._zodb_databases[""].close()
