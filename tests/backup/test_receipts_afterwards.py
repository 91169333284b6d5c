"""After a restoration, no receipt has a number that the lost database may have given."""

from datetime import timedelta

import pytest

from sevres_familles.backup import scripts
from sevres_familles.backup.numbering import MARGIN, leave_out_lost
from sevres_familles.domain import french
from sevres_familles.domain.references import ReceiptNumber
from sevres_familles.payments.checking import verify_portal
from tests.backup.conftest import Place, pay
from tests.conftest import portal_stored


def receipt_of(place: Place, code: str) -> ReceiptNumber:
    """Have a family pay, and give the number of its receipt, the books being verified."""
    with place.portal() as request:
        pay(request.registry, code, f"u{code}")
        with portal_stored(request.registry) as portal:
            assert verify_portal(portal).faults == ()
            (payment,) = portal["paiements"].of(code)
            return ReceiptNumber.read(payment.receipts[0].number)


@pytest.fixture
def archive(place):
    return place.backup()


@pytest.fixture
def lost(place, archive):
    """The number of a receipt that was given after the backup."""
    return receipt_of(place, "30001")


def test_numbers_go_on_well_beyond_and_what_is_left_out_is_written_down(place, archive, lost, capsys):
    assert place.run(scripts.restore, archive, "--replace") == 0

    first, last = lost, lost._replace(place=lost.place - 1 + MARGIN)
    assert f"{first} à {last} laissés de côté" in capsys.readouterr().out
    with place.portal() as request, portal_stored(request.registry) as portal:
        (gap,) = [each for each in verify_portal(portal).gaps if each.first.code == lost.code]
        assert (gap.first, gap.last) == (first, last)
        assert gap.by
        assert gap.why.startswith("restauration de la sauvegarde du ")
    assert receipt_of(place, "30002") == last._replace(place=last.place + 1)


def test_numbers_go_on_right_after_the_last_that_is_known(place, archive, lost):
    assert place.run(scripts.restore, archive, "--replace", "--last-receipt", lost) == 0

    assert receipt_of(place, "30002") == lost._replace(place=lost.place + 1)


def test_a_last_number_that_cannot_be_is_refused_and_nothing_is_replaced(place, archive, lost, capsys):
    for wrong in (lost._replace(place=0), lost._replace(code="AUTRE"), lost._replace(year=lost.year - 1)):
        assert place.run(scripts.restore, archive, "--replace", "--last-receipt", wrong) == 1
    assert place.run(scripts.restore, archive, "--replace", "--last-receipt", "123") == 2

    said = capsys.readouterr()
    assert "donnez le dernier numéro" in said.out
    assert said.out.count("pas d’une régie") == 2
    assert "123 n’est pas un numéro de reçu" in said.err
    assert receipt_of(place, "30002") == lost._replace(place=lost.place + 1)


def test_a_check_changes_no_number(place, archive, lost):
    assert place.run(scripts.restore, archive, "--check") == 0

    assert receipt_of(place, "30002") == lost._replace(place=lost.place + 1)


def test_receipts_of_a_year_that_began_since_are_left_out_as_well(place):
    with place.portal() as request, portal_stored(request.registry) as portal:
        made_at = request.registry.clock.now()
        later = made_at + timedelta(days=366)
        gaps = leave_out_lost(portal, made_at, (), at=later, by="root")

        years = {french.local(made_at).year, french.local(later).year}
        assert {gap.first.year for gap in gaps} == years
        assert all(gap.last.place >= MARGIN for gap in gaps)
        assert verify_portal(portal).faults == ()
