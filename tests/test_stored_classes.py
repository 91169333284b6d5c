"""The classes that stand in a stored database, by name.

Renaming or moving one of them breaks every database that holds it: it needs an evolution step, or an alias that stays.
A class that comes or goes is written here, knowingly.
"""

import io
import pickle
from datetime import date
from typing import Any

from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.gateways.port import JournalKind
from sevres_familles.payments.journals.resources import Absent, Judged, MissingDay, Report, Verdict, keep_journal
from sevres_familles.payments.suspense import hold
from sevres_familles.regies.exchange.resources import ImportedFile, ImportReport
from sevres_familles.regies.printing.resources import PrintRun
from tests import rich
from tests.conftest import NOW
from tests.identity.helpers import sign_in
from tests.payments.making import evidence

STORED = {
    "sevres_familles.content.resources:Folder",
    "sevres_familles.content.resources:Oids",
    "sevres_familles.content.resources:Page",
    "sevres_familles.content.resources:Version",
    "sevres_familles.domain.ledger:EntryKind",
    "sevres_familles.domain.money:Money",
    "sevres_familles.domain.payment:Channel",
    "sevres_familles.domain.payment:Evidence",
    "sevres_familles.domain.payment:EvidenceKind",
    "sevres_familles.domain.payment:MoneyFact",
    "sevres_familles.domain.payment:PaymentState",
    "sevres_familles.domain.payment:Share",
    "sevres_familles.domain.references:ReceiptNumber",
    "sevres_familles.families.resources:DeliveryChoice",
    "sevres_familles.families.resources:Families",
    "sevres_familles.families.resources:Family",
    "sevres_familles.families.resources:Lots",
    "sevres_familles.families.resources:Staged",
    "sevres_familles.identity.emails:EmailIndex",
    "sevres_familles.identity.resources:Credentials",
    "sevres_familles.identity.resources:PrintedPassword",
    "sevres_familles.identity.resources:Scope",
    "sevres_familles.identity.resources:SentLink",
    "sevres_familles.identity.resources:Session",
    "sevres_familles.identity.throttle:Tally",
    "sevres_familles.identity.throttle:Throttle",
    "sevres_familles.notifications.resources:Mail",
    "sevres_familles.notifications.resources:MailKind",
    "sevres_familles.notifications.resources:Outbox",
    "sevres_familles.payments.gateways.port:BankForm",
    "sevres_familles.payments.gateways.port:BankOrder",
    "sevres_familles.payments.gateways.port:JournalKind",
    "sevres_familles.payments.journals.resources:Absent",
    "sevres_familles.payments.journals.resources:JournalFile",
    "sevres_familles.payments.journals.resources:Judged",
    "sevres_familles.payments.journals.resources:KeptJournal",
    "sevres_familles.payments.journals.resources:MissingDay",
    "sevres_familles.payments.journals.resources:Report",
    "sevres_familles.payments.journals.resources:Verdict",
    "sevres_familles.payments.records:Alert",
    "sevres_familles.payments.records:Unclassified",
    "sevres_familles.payments.resources:Moment",
    "sevres_familles.payments.resources:NotificationDoor",
    "sevres_familles.payments.resources:NotificationDoors",
    "sevres_familles.payments.resources:Payment",
    "sevres_familles.payments.resources:Payments",
    "sevres_familles.payments.resources:Receipt",
    "sevres_familles.payments.resources:Unmatched",
    "sevres_familles.payments.suspense:LostOrder",
    "sevres_familles.payments.suspense:Suspense",
    "sevres_familles.regies.exchange.resources:ImportReport",
    "sevres_familles.regies.exchange.resources:Imports",
    "sevres_familles.regies.printing.resources:PrintRun",
    "sevres_familles.regies.printing.resources:Printing",
    "sevres_familles.regies.resources:FamilyAccount",
    "sevres_familles.regies.resources:FamilyAccounts",
    "sevres_familles.regies.resources:ReceiptGap",
    "sevres_familles.regies.resources:Regie",
    "sevres_familles.regies.resources:Regies",
    "sevres_familles.web.root:Portal",
    "sevres_familles.web.town:Contact",
    "sevres_familles.web.town:RegieDescription",
}
#: The libraries whose classes may stand in it.
LIBRARIES = {"BTrees", "builtins", "copy_reg", "copyreg", "datetime", "persistent", "_codecs", "ZODB"}


class Anything:
    """What stands for an object whose class is not loaded."""

    def __new__(cls, *arguments: Any, **options: Any) -> "Anything":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Forget it."""


class Namer(pickle.Unpickler):
    """Reads a record for the names of the classes it would load, and loads none."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.names: set[str] = set()

    def find_class(self, module: str, name: str) -> type[Anything]:
        self.names.add(f"{module}:{name}")
        return Anything

    def persistent_load(self, reference: Any) -> None:
        """Leave other records alone."""


def globals_of(record: bytes) -> set[str]:
    """Give the names of the classes that a stored record would load: it is two pickles, of its class and its state."""
    namer = Namer(record)
    namer.load()
    namer.load()
    return namer.names


def names_in(registry: Any) -> set[str]:
    """Give the names of what is stored in a database, every record of it gone through."""
    storage = registry._zodb_databases[""].storage
    return {name for transaction in storage.iterator() for record in transaction for name in globals_of(record.data)}


def fill(stored: Any, registry: Any, browser: Any) -> None:
    """Put everything there is into the database."""
    with stored() as portal:
        rich.store_rich_town(portal, registry)
        files = (ImportedFile("familles.csv", "0" * 64, "familles", 3),)
        report = ImportReport(1, NOW, files=files, families={"new": 3}, invoices={}, balances={}, booked={})
        portal.stores["imports"].touch(0, ["26719"])
        portal.stores["imports"].finish(report)
        portal.stores["imports"].touch(1, ["26719"])
        portal["regies"]["scolaire"].next_receipt_number(date(2027, 1, 1).year)
        portal["regies"]["scolaire"].leave_out_receipts(2027, 9, at=NOW, by="root", why="restauration")
        _store_journal(portal)
        run = PrintRun("scolaire", "CANTINES", issued_on=NOW.date(), made_at=NOW)
        portal.stores["printing"].add("2026-11-23-1", run)
        portal.stores["printing"].mark("scolaire", ("2026-9161",), "2026-11-23-1")
    sign_in(browser)
    with stored() as portal:
        key = next(iter(portal.stores["outbox"].waiting))
        portal.stores["outbox"].mark_sent(key, NOW)


def _store_journal(portal: Any) -> None:
    judged = (Judged(3, "P-1", Money(6000), Verdict.UNKNOWN),)
    absent = (Absent("P-2", "u2", NOW, is_new=True),)
    missing = (MissingDay(NOW.date(), is_new=True),)
    told = Report(
        *("JT.csv", "0" * 64, "systempay", JournalKind.TRANSACTIONS, NOW.date(), NOW),
        *((), judged, absent, missing),
    )
    keep_journal(portal, b"TITRE", told)
    hold(portal, "systempay", "P-1", evidence(EvidenceKind.AUTHORISED, transaction="u-lost"))


def test_names_of_stored_classes_are_those_that_are_written_here(stored, registry, browser):
    fill(stored, registry, browser)

    names = names_in(registry)

    assert {name for name in names if name.startswith("sevres_familles.")} == STORED


def test_nothing_but_ours_and_the_database_s_own_is_stored(stored, registry, browser):
    fill(stored, registry, browser)

    strangers = {name for name in names_in(registry) if name.split(":")[0].split(".")[0] not in LIBRARIES}

    assert {name for name in strangers if not name.startswith("sevres_familles.")} == set()


def test_a_new_database_can_be_read_by_the_names_alone(registry):
    assert "sevres_familles.web.root:Portal" in names_in(registry)


def test_every_stored_name_leads_to_something():
    for name in STORED:
        module, _, attribute = name.partition(":")
        found = __import__(module, fromlist=["_"])
        for part in attribute.split("."):
            found = getattr(found, part)
        assert callable(found)
