"""F15, lightly: the machine's clock is wrong, or local time jumps; the books keep their order, receipts their year."""

from datetime import UTC, datetime, timedelta

import pytest

from sevres_familles.domain.payment import EvidenceKind, PaymentState
from sevres_familles.payments.asking import ask_all
from sevres_familles.payments.checking import verify_portal
from sevres_familles.payments.services import apply
from tests import factories
from tests.payments.making import evidence, opened


def bills(portal, *numbers):
    family = factories.store_family(portal)
    for number in numbers:
        factories.store_invoice(family, factories.facts(number))


def pay(portal, registry, number, at):
    payment = opened(portal, registry, f"2026-{number}", at=at)
    told = evidence(EvidenceKind.AUTHORISED, transaction=f"u{number}", at=at)
    apply(portal, registry, payment, told)
    return payment


@pytest.mark.parametrize(
    "moments",
    [
        # A clock that was an hour ahead is set right, then an hour behind.
        ("2026-11-23T15:00:00", "2026-11-23T14:00:01", "2026-11-23T13:00:02"),
        # The hour that comes twice, on the last Sunday of October, then the one that is left out in March.
        ("2026-10-25T00:59:59", "2026-10-25T01:00:00", "2027-03-28T01:00:00"),
        ("2028-02-28T23:30:00", "2028-02-29T12:00:00", "2028-03-01T00:30:00"),
    ],
)
def test_entries_stand_in_the_order_of_their_numbers_whatever_the_clock_says(stored, registry, moments):
    with stored() as portal:
        bills(portal, *"123")
        for number, moment in zip("123", moments, strict=True):
            payment = pay(portal, registry, number, datetime.fromisoformat(moment).replace(tzinfo=UTC))

        entries = payment.account.cash.entries
        assert [entry.draft.invoice for entry in entries] == ["2026-1", "2026-2", "2026-3"]
        assert [entry.sequence for entry in entries] == sorted({entry.sequence for entry in entries})
        assert verify_portal(portal).faults == ()


def test_a_receipt_belongs_to_the_year_of_paris_to_the_second(stored, registry):
    midnight = datetime(2026, 12, 31, 23, tzinfo=UTC)
    with stored() as portal:
        bills(portal, *"123")
        moments = (midnight - timedelta(seconds=1), midnight, midnight - timedelta(seconds=1))
        numbers = [
            pay(portal, registry, number, at).receipts[0].number for number, at in zip("123", moments, strict=True)
        ]

        # The third is of a clock that was set back: each year goes on with its own numbers.
        assert numbers == ["2026-SCO-000001", "2027-SCO-000001", "2026-SCO-000002"]
        assert verify_portal(portal).faults == ()


def test_a_clock_that_jumps_an_hour_ahead_ends_an_attempt_early_and_loses_no_money(
    stored, registry, clock, monkeypatch
):
    with stored() as portal:
        bills(portal, "1")
        reference = opened(portal, registry, "2026-1", at=clock.now()).reference
    monkeypatch.setattr(registry.gateways["systempay"], "_post", lambda service, payload: None)

    clock.advance(hours=1)
    ask_all(registry)

    with stored() as portal:
        payment = portal["paiements"][reference]
        assert payment.state is PaymentState.EXPIRED
        apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED))
        assert payment.state is PaymentState.ACCEPTED
        assert payment.account["2026-1"].left().cents == 0
        assert verify_portal(portal).faults == ()


def test_a_clock_that_jumps_an_hour_back_asks_later_and_frees_nothing_early(stored, registry, clock, monkeypatch):
    with stored() as portal:
        bills(portal, "1")
        reference = opened(portal, registry, "2026-1", at=clock.now()).reference
    asked = []
    monkeypatch.setattr(registry.gateways["systempay"], "_post", lambda service, payload: asked.append(service))

    clock.advance(hours=-1)
    ask_all(registry)
    with stored() as portal:
        assert portal["paiements"][reference].state is PaymentState.REDIRECTED
    clock.advance(hours=1, minutes=1)
    ask_all(registry)

    assert asked == ["Order/Get"]
    with stored() as portal:
        assert portal["paiements"][reference].state is PaymentState.REDIRECTED
