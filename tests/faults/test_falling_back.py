"""F4, the disk that forgets: one record is what it was before, whole and rightly sealed, because a write never came.

No hash of a record tells that; what other records say of it does.  Each record that an act changes falls back alone.
"""

import sqlite3
from contextlib import closing

import pytest
from ZODB.utils import u64

from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.services import apply
from tests.conftest import NOW, StoppedClock, make_app, portal_stored, settings_in
from tests.faults.conftest import CODES, close, make_town, pay
from tests.faults.files import MAIN, SILENT, content_of, copy, database_in, judge
from tests.payments.making import evidence, opened
from tests.regies.exchange.making import Folder, invoice, line

ONE, OTHER = CODES[0], CODES[1]


def open_a_payment(app):
    with portal_stored(app.registry) as portal:
        opened(portal, app.registry, f"2026-{OTHER}", code=OTHER)


def book_a_payment(app):
    with portal_stored(app.registry) as portal:
        (payment,) = (each for each in portal["paiements"].values() if each.is_open)
        apply(portal, app.registry, payment, evidence(EvidenceKind.AUTHORISED, transaction="u2"))


def give_money_back(app):
    with portal_stored(app.registry) as portal:
        (payment,) = (each for each in portal["paiements"].values() if each.family_code == OTHER)
        apply(portal, app.registry, payment, evidence(EvidenceKind.CREDIT, 1000, transaction="u3"))


def import_new_figures(app):
    outcome = Folder(app.registry.settings_of_portal.var / "files", app.registry).take(
        factures=[invoice(code, code, left="12,00") for code in CODES[:5]], lignes=[line(code) for code in CODES[:5]]
    )
    assert outcome.lot == 2


ACTS = (open_a_payment, book_a_payment, give_money_back, import_new_figures)


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """The files of a database before the first act, and after each."""
    folder = tmp_path_factory.mktemp("stages")
    app = make_town(folder)
    pay(app, ONE, f"2026-{ONE}", "u1")
    close(app)
    ini = settings_in(folder) | {"sevres.storage": "embedded://{var}/database"}
    copies = [copy(folder / "var" / "database", folder / "0")]
    for number, act in enumerate(ACTS, start=1):
        app = make_app(ini, StoppedClock(NOW))
        act(app)
        close(app)
        copies.append(copy(folder / "var" / "database", folder / f"{number}"))
    return copies


def rows(folder):
    with closing(sqlite3.connect(folder / MAIN)) as file:
        return dict(file.execute("SELECT zoid, state FROM object_state"))


def name_in(portal):
    """Name the objects whose falling back is no fault of the books, by oid."""
    named = {
        "what the bank's journal is to show": portal["paiements"].unmatched,
        "the mails that wait": portal.stores["outbox"].written,
        "the alerts": portal.stores["alerts"],
        "what an import touches": portal.stores["imports"],
        "the index of what an import touched": portal.stores["imports"].touched,
    }
    return {u64(each._p_oid): name for name, each in named.items()}


#: What nothing contradicts, by act: a mail is not sent, an alert not shown, the bank's journal not missed for one
#: operation (receipt and sum stand in the books all the same); families are looked at again by the next import.
UNTOLD = {
    "open_a_payment": set(),
    "book_a_payment": {"what the bank's journal is to show", "the mails that wait"},
    "give_money_back": {"the alerts", "the mails that wait"},
    "import_new_figures": {"what an import touches", "the index of what an import touched"},
}


@pytest.mark.parametrize("number", range(1, len(ACTS) + 1), ids=[act.__name__ for act in ACTS])
def test_a_record_that_falls_back_alone_is_told_unless_it_harms_nothing(stages, tmp_path, number):
    before, after = rows(stages[number - 1]), rows(stages[number])
    with database_in(stages[number - 1]) as database, database.transaction() as connection:
        names = name_in(connection.root()["sevres_familles"])
    with database_in(stages[number]) as database, database.transaction() as connection:
        states = {content_of(connection)}
    untold = set()
    for oid in [oid for oid in before.keys() & after.keys() if before[oid] != after[oid]]:
        folder = copy(stages[number], tmp_path / f"{oid}")
        with closing(sqlite3.connect(folder / MAIN)) as file, file:
            file.execute(
                "UPDATE object_state SET state = ?, state_size = ? WHERE zoid = ?", (before[oid], len(before[oid]), oid)
            )

        if judge(folder, states) == SILENT:
            untold.add(names.get(oid, f"0x{oid:x}"))

    assert untold == UNTOLD[ACTS[number - 1].__name__]
