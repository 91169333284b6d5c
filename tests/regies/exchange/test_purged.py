"""Invoices that were purged, and stand in the billing software's files still: they do not come back."""

from datetime import UTC, datetime

import pytest

from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.retention import purge
from sevres_familles.payments.services import apply
from sevres_familles.regies.exchange.command import report
from sevres_familles.regies.exchange.running import run
from tests.payments.making import AT, evidence, opened
from tests.regies.exchange.making import child, family, invoice, line

TEN_YEARS_LATER = datetime(2037, 1, 2, 4, tzinfo=UTC)
NEW = {"exercice": "2036", "date d’émission": "03/11/2036", "date d’échéance": "30/11/2036"}


@pytest.fixture
def reference(folder, stored, registry, clock):
    """An invoice that was imported, paid on line, and purged ten years later with its family; its payment."""
    folder.take(familles=[family()], factures=[invoice()], lignes=[line()])
    with stored() as portal:
        payment = opened(portal, registry)
        apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED, at=AT))
        reference = payment.reference
    clock.moment = TEN_YEARS_LATER
    assert purge(registry)["invoices"] == 1
    return reference


@pytest.fixture
def take(folder, registry):
    return lambda **sheets: run(registry, folder.files(**sheets), at=TEN_YEARS_LATER)


@pytest.mark.parametrize("left", ["0,00", "60,00"])
def test_one_is_left_aside_whether_the_file_knows_its_payment_or_not(reference, take, stored, left):
    """What the billing software never learned of would else be asked of the family twice."""
    counted = reference if left == "0,00" else ""

    outcome = take(factures=[invoice(left=left, paiements_comptés=counted)], lignes=[line()])

    assert outcome.faults.count == 0
    assert outcome.lot is None
    with stored() as portal:
        assert "26719" not in portal["familles"]
        assert verify_portal(portal).faults == ()


def test_the_report_counts_them_and_what_the_file_leaves_to_pay(reference, take):
    outcome = take(factures=[invoice(), invoice("7", left="0,00")], lignes=[line(), line("7")])

    assert (
        "Régie scolaire, 2 factures laissées de côté, émises avant le 01/01/2027 : leur durée de conservation est "
        "passée ; le fichier y laisse 60,00\u00a0€ à payer"
    ) in report(outcome, dry_run=False)


def test_what_is_new_beside_them_comes_in(reference, take, stored):
    outcome = take(
        familles=[family()], factures=[invoice(), invoice("7", **NEW)], lignes=[line(), line("7", exercice="2036")]
    )

    assert outcome.comparison.invoices["scolaire"].past == 1
    with stored() as portal:
        account = portal["familles"]["26719"]["comptes"]["scolaire"]
        assert [each.__name__ for each in account] == ["2036-7"]
        assert account.balance() == Money(6000)
        assert verify_portal(portal).faults == ()


def test_a_family_that_the_portal_never_knew_has_them_left_aside_too(take, stored):
    take(familles=[family("30001")], factures=[invoice(code="30001")], lignes=[line()])

    with stored() as portal:
        assert not list(portal["familles"]["30001"].nodes)


def test_a_forgotten_family_with_more_to_say_than_them_is_unknown(reference, take):
    outcome = take(factures=[invoice()], lignes=[line()], enfants=[child()])

    assert "La famille 26719 est inconnue" in outcome.faults.report()


def test_an_old_invoice_that_is_still_owed_is_known_and_changes_as_any(folder, take, stored, clock, registry):
    folder.take(familles=[family()], factures=[invoice()], lignes=[line()])
    clock.moment = TEN_YEARS_LATER
    assert purge(registry)["invoices"] == 0

    outcome = take(factures=[invoice(left="0,00", état="payée au guichet")], lignes=[line()])

    assert outcome.comparison.invoices["scolaire"].changed == 1
    with stored() as portal:
        assert portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"].left() == ZERO
