"""An import that is killed shows nothing, whenever that was, and the next run takes its remains away."""

import signal
from contextlib import contextmanager
from itertools import count

import pytest
import ZODB

from sevres_familles.payments.checking import verify_portal
from sevres_familles.web.storage import resolve_embedded
from tests.forking import forking
from tests.regies.exchange import dying
from tests.regies.exchange.making import KINDS, balance, family, invoice, line, sheet

CODES = [str(each) for each in range(1, 13)]


@pytest.fixture
def town(tmp_path, ini):
    """Settings on the embedded storage, and two sets of files: the second changes everything."""
    first = {
        "familles": [family(code) for code in CODES[:6]],
        "factures": [invoice(code, code) for code in CODES[:6]],
        "lignes": [line(code) for code in CODES[:6]],
        "soldes": [balance(code=code) for code in CODES[:6]],
    }
    second = {
        "familles": [family(code, **{"R1 nom": "DURAND", "R1 e-mail": f"f{code}@courriel.example"}) for code in CODES],
        "factures": [invoice(code, code, left="1,00") for code in CODES]
        + [invoice(f"{code}-2", code) for code in CODES],
        "lignes": [line(code) for code in CODES] + [line(f"{code}-2") for code in CODES],
        "soldes": [balance("61,00", code=code) for code in CODES],
    }
    return ini | {"sevres.storage": "embedded://{var}/database"}, *(
        [write(tmp_path / number, name, rows) for name, rows in sheets.items()]
        for number, sheets in (("first", first), ("second", second))
    )


def write(folder, name, rows):
    folder.mkdir(exist_ok=True)
    path = folder / f"{KINDS[name].name}.csv"
    path.write_text(sheet(name, rows), encoding="utf-8")
    return path


def take(ini, files, commits=0, *, after=False):
    process = forking.Process(target=dying.take, args=(ini, files, commits), kwargs={"after": after})
    process.start()
    process.join()
    return process.exitcode


@contextmanager
def portal_of(ini):
    factory, _ = resolve_embedded(f"embedded://{ini['sevres.var']}/database")
    database = ZODB.DB(factory())
    try:
        with database.transaction() as connection:
            yield connection.root()["sevres_familles"]
    finally:
        database.close()


def shown(ini):
    """Tell all that shows."""
    with portal_of(ini) as portal:
        codes = [code for code in portal["familles"] if code in portal["familles"]]
        assert verify_portal(portal).faults == ()
        return [
            (
                code,
                portal["familles"][code].record,
                account.imported_balance,
                account.balance(),
                *((each.__name__, each.figures) for each in account),
            )
            for code in codes
            for account in portal["familles"][code]["comptes"]
        ]


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_commit_an_import_shows_nothing_and_the_next_one_cleans_up(town, after):
    ini, first, second = town
    assert take(ini, first) == 0
    before = shown(ini)
    assert len(before) == 6

    deaths = 0
    for commits in count(1):
        exitcode = take(ini, second, commits, after=after)
        seen = shown(ini)
        if exitcode == 0 or len(seen) != 6:
            break
        assert exitcode == -signal.SIGKILL
        assert seen == before
        deaths += 1

    # Opening, reading, the lot, six batches at least, the addresses: each died, before the publication.
    assert deaths >= 9
    published = shown(ini)
    assert len(published) == 12
    assert take(ini, second) == 0
    assert shown(ini) == published
    with portal_of(ini) as portal:
        assert not portal.stores["imports"].touched
        assert len(portal.stores["imports"].reports) == 2


def test_what_was_left_is_gone_when_the_next_files_do_not_bring_it(town):
    ini, first, second = town
    take(ini, first)
    before = shown(ini)
    assert take(ini, second, 7) == -signal.SIGKILL
    with portal_of(ini) as portal:
        assert portal.stores["imports"].touched

    assert take(ini, first) == 0

    assert shown(ini) == before
    with portal_of(ini) as portal:
        assert not portal.stores["imports"].touched
        assert list(portal["familles"]) == sorted(CODES[:6])
        account = portal["familles"]["1"]["comptes"]["scolaire"]
        assert (list(account.invoices), len(account.billing.lines)) == (["2026-1"], 1)
