"""F5: the disk is full.  What cannot be written is refused in French, nothing is half done; space cures it."""

import subprocess
from contextlib import contextmanager, suppress

import pytest

from tests.faults.families import inputs
from tests.faults.house import CODE, GRANDE_RUE, House, town_of_one_family
from tests.regies.exchange.making import family, invoice, line
from tests.sandbox.running import wait_until
from tests.sandbox.shop import ACCEPTED, LOST

_FULL = "Le disque est plein"
#: How large the small disk is, in bytes.
_DISK = 16 * 2**20


@pytest.fixture(scope="module")
def disk(tmp_path_factory):
    """A small disk of its own."""
    folder = tmp_path_factory.mktemp("disk")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_DISK}", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"who runs this may not mount a small disk: {done.stderr}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def house(disk, tmp_path_factory):
    with town_of_one_family(disk, invoices=12, houses=tmp_path_factory.mktemp("houses")) as town:
        house = House(town)
        yield house
        house.close()


@contextmanager
def nothing_left(disk):
    """Fill the disk to its last byte."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65536, 1):
            with suppress(OSError):
                while file.write(bytes(size)):
                    pass
    try:
        yield
    finally:
        filler.unlink()


def test_a_payment_is_refused_and_begins_once_there_is_space(house, disk):
    name = house.next_invoice()
    address = f"familles/{CODE}/comptes/scolaire/payer"
    with nothing_left(disk):
        review = house.family.ask("GET", f"{address}?facture={name}")
        assert review.status_code == 200
        refused = house.family.ask("POST", address, inputs(review.text))

        assert refused.status_code == 503
        assert "Le service est momentanément indisponible" in refused.text
        assert "Retry-After" in refused.headers
        with house.town.store() as (portal, _):
            assert not any(payment.is_open for payment in portal["paiements"].values())

    house.settle(house.family.pay(name, ACCEPTED))


def test_what_the_bank_tells_meanwhile_is_booked_once_there_is_space(house, disk):
    reference = house.family.leave(house.next_invoice())
    with nothing_left(disk):
        house.family.pay_at_bank(reference, ACCEPTED)
        (told,) = house.town.bank.notifications(reference)
        assert "503" in told.attempts[-1].answer
        assert not house.is_settled(reference)

    house.town.bank.notify_again(reference)

    assert house.is_settled(reference)
    assert house.town.faults() == ()


def test_an_import_says_so_shows_nothing_and_goes_on_once_there_is_space(house, disk):
    codes = [str(50000 + number) for number in range(300)]
    files = house.files(
        familles=[family(code) for code in codes],
        factures=[invoice(f"F{code}", code) for code in codes],
        lignes=[line(f"F{code}") for code in codes],
    )
    with nothing_left(disk):
        assert _FULL in house.run("sevres-import", *files, status=1)
        with house.town.store() as (portal, _):
            assert codes[0] not in portal["familles"]
        assert house.family.ask("GET", f"familles/{CODE}/comptes/scolaire/").status_code == 200

    assert "Lot 2 publié : 300 familles." in house.run("sevres-import", *files)
    assert house.town.faults() == ()


def test_a_print_run_says_so_and_leaves_no_password_on_the_disk(house, disk):
    print_lot = ("sevres-print", "--regie", "scolaire", "--lot", "PAPIER")
    codes = [str(60000 + number) for number in range(40)]
    files = house.files(
        familles=[family(code, **GRANDE_RUE) for code in codes],
        factures=[invoice(f"P{code}", code, lot="PAPIER") for code in codes],
        lignes=[line(f"P{code}") for code in codes],
    )
    house.run("sevres-import", *files)
    impressions = house.town.folder / "var" / "impressions"
    with nothing_left(disk):
        assert _FULL in house.run(*print_lot, status=1)
    assert not any(impressions.rglob("*.pdf"))

    said = house.run(*print_lot)
    (run,) = (each.name for each in impressions.iterdir() if each.is_dir())
    assert f"--confirm {run}" in said
    with nothing_left(disk):
        refused = house.run("sevres-print", "--confirm", run, status=1)
    assert _FULL in refused
    assert f"donnez à nouveau --confirm {run}" in refused

    assert "40 lettres, 40 mots de passe en service" in house.run("sevres-print", "--confirm", run)
    assert house.town.faults() == ()


def test_a_backup_and_a_pack_say_so_and_leave_the_database_as_it_is(house, disk):
    house.run("sevres-backup", "--new-key")
    (disk / "backups").mkdir()
    backups = str(disk / "backups")
    with nothing_left(disk):
        assert _FULL in house.run("sevres-backup", backups, status=1)
        assert _FULL in house.run("sevres-backup", backups, "--check", status=1)
        assert _FULL in house.run("sevres-pack", backups, status=1)
    assert house.town.faults() == ()
    assert list(disk.glob("backups/*")) == []

    house.run("sevres-pack", backups)

    assert house.town.faults() == ()
    assert len(list(disk.glob("backups/*"))) == 1

    with nothing_left(disk):
        assert _FULL in house.run("sevres-restore", backups, "--check", status=1)
    assert "Restauration vérifiée" in house.run("sevres-restore", backups, "--check")
    assert list((house.town.folder / "var").glob("restauration-*")) == []


def has_failed(worker):
    return worker.log.exists() and "failed" in worker.log.read_text()


def test_the_workers_go_on_once_there_is_space(house, disk):
    reference = house.family.pay(house.next_invoice(), LOST)
    workers = [house.command(command) for command in ("sevres-ask", "sevres-mail")]
    try:
        with nothing_left(disk):
            for worker in workers:
                worker.go()
                wait_until(lambda: has_failed(worker), "a round that failed")  # noqa: B023 - run at once
            assert not house.is_settled(reference)

        wait_until(lambda: house.is_settled(reference), "the asking worker books it")
        wait_until(lambda: house.mails_about(reference), "the mail worker sends the receipt")
    finally:
        for worker in workers:
            worker.stop()
    assert house.town.faults() == ()


def test_a_log_that_cannot_be_written_stops_nobody(house, disk):
    """The log of the portal stands on the same disk; what its last page has room for is written."""

    def log_after_a_page():
        assert house.family.ask("GET", "aide/").status_code == 200
        return house.portal.log.stat().st_size

    with nothing_left(disk):
        size = log_after_a_page()
        while size != (size := log_after_a_page()):
            assert size < _DISK
        assert {log_after_a_page() for _ in range(20)} == {size}

    assert log_after_a_page() > size
