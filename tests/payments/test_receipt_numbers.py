"""Numbers of receipts: each given once, without a gap but those that are written down."""

import pytest

from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.domain.references import ReceiptNumber
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.scripts import report
from sevres_familles.payments.services import apply
from tests import factories
from tests.payments.making import AT, evidence, opened

YEAR = AT.year


def pay(portal, registry, code):
    """Have a family pay its invoice, and give the number of its receipt."""
    factories.store_invoice(factories.store_family(portal, code))
    payment = opened(portal, registry, code=code)
    apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED, transaction=f"u{code}"))
    return payment.receipts[0].number


def renumber(portal, reference, number):
    """Write another number on the receipt of a payment."""
    payment = portal["paiements"][reference]
    payment.receipts = (payment.receipts[0]._replace(number=number),)


@pytest.fixture
def portal(stored):
    with stored() as portal:
        yield portal


@pytest.fixture
def regie(portal):
    return portal["regies"]["scolaire"]


def faults(portal):
    return verify_portal(portal).faults


def leave_out(regie, last):
    regie.leave_out_receipts(YEAR, last, at=AT, by="root", why="restauration")


def test_numbers_that_are_left_out_are_given_to_nobody_and_those_after_go_on(portal, registry, regie):
    before = pay(portal, registry, "30001")

    leave_out(regie, 10)

    assert [before, pay(portal, registry, "30002")] == [f"{YEAR}-SCO-000001", f"{YEAR}-SCO-000011"]
    assert faults(portal) == ()


def test_what_is_left_out_is_told_with_who_said_so(portal, regie):
    leave_out(regie, 10)

    told = report(verify_portal(portal))

    assert any(
        "par root (restauration)" in line and f"de {YEAR}-SCO-000001 à {YEAR}-SCO-000010" in line for line in told
    )


def test_nothing_is_left_out_below_what_was_given(portal, registry, regie):
    number = pay(portal, registry, "30001")

    leave_out(regie, 1)

    assert regie.receipt_gaps == ()
    assert ReceiptNumber.read(number) == ReceiptNumber(YEAR, "SCO", 1)
    assert faults(portal) == ()


def test_a_gap_that_is_not_written_down_is_a_fault(portal, registry, regie):
    pay(portal, registry, "30001")

    regie.receipts = {YEAR: 3}

    assert faults(portal) == (f"{regie.title} : 2 reçus introuvables en {YEAR}, pour 0 purgés",)


@pytest.mark.parametrize("number", ["000001", "000005"], ids=["another's", "left out"])
def test_a_number_that_is_another_s_or_was_left_out_is_a_fault(portal, registry, regie, number):
    pay(portal, registry, "30001")
    leave_out(regie, 9)
    pay(portal, registry, "30002")
    (second,) = portal["paiements"].of("30002")

    renumber(portal, second.reference, f"{YEAR}-SCO-{number}")

    assert f"reçu {YEAR}-SCO-{number} : numéro donné deux fois, ou laissé de côté" in faults(portal)


@pytest.mark.parametrize("number", [f"{YEAR}-SCO-000007", f"{YEAR - 1}-SCO-000001"])
def test_a_number_beyond_the_last_is_a_fault(portal, registry, number):
    pay(portal, registry, "30001")
    (payment,) = portal["paiements"].of("30001")

    renumber(portal, payment.reference, number)

    assert f"reçu {number} : au-delà du dernier numéro" in faults(portal)


@pytest.mark.parametrize("text", ["", "2026-SCO", "2026-SCO-12", "26-SCO-000012", "2026-SCO-00001x"])
def test_what_is_no_number_of_a_receipt_is_refused(text):
    with pytest.raises(ValueError, match="receipt"):
        ReceiptNumber.read(text)
