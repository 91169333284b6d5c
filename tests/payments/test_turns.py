"""What books money takes turns, and a turn that never ends holds nobody up."""

import threading

import pytest

from sevres_familles.payments import turns
from sevres_familles.payments.turns import booking_turn
from tests.factories import store_family, store_invoice
from tests.payments.making import body_of, fields_of, opened


@pytest.fixture
def settings(registry):
    return registry.settings_of_portal


def test_a_second_booking_waits_until_the_first_has_ended(settings):
    order = []
    began = threading.Event()

    def book():
        began.set()
        with booking_turn(settings):
            order.append("second")

    with booking_turn(settings):
        second = threading.Thread(target=book)
        second.start()
        began.wait(10)
        second.join(0.05)
        order.append("first")
    second.join(10)

    assert order == ["first", "second"]


def test_a_turn_that_does_not_end_is_not_waited_for_without_end(settings, monkeypatch):
    monkeypatch.setattr(turns, "_PATIENCE", 0.05)

    with booking_turn(settings), booking_turn(settings):
        reached = True

    assert reached


def test_a_turn_ends_when_booking_fails(settings, monkeypatch):
    monkeypatch.setattr(turns, "_PATIENCE", 60)
    with pytest.raises(ZeroDivisionError), booking_turn(settings):
        raise ZeroDivisionError

    with booking_turn(settings):
        pass


def test_a_notification_keeps_its_turn_until_it_is_committed_and_then_gives_it_back(
    app, stored, registry, browser, settings, monkeypatch
):
    """Seen from the commit itself: the turn is taken then, and free afterwards."""
    with stored() as portal:
        store_invoice(store_family(portal))
        key = settings.read_secret(settings.bank_key_file).decode()
        body = body_of(fields_of(opened(portal, registry)), key)
    seen = []
    monkeypatch.setattr(turns, "_PATIENCE", 0.0)
    monkeypatch.setattr(
        "sevres_familles.payments.views.notifications.apply",
        _spying(seen, settings, monkeypatch),
    )

    browser.extra_environ["REMOTE_ADDR"] = "127.0.0.1"
    browser.post("/paiements/notifications/systempay", body, status=200)

    assert seen == [False, False]
    assert is_free(settings)
    with stored() as portal:
        (payment,) = portal["paiements"].values()
        assert len(payment.receipts) == 1


def _spying(seen, settings, monkeypatch):
    from sevres_familles.payments.services import apply

    def spy(portal, *others):
        seen.append(is_free(settings))
        portal._p_jar.transaction_manager.get().addBeforeCommitHook(lambda: seen.append(is_free(settings)))
        return apply(portal, *others)

    return spy


def is_free(settings):
    with (settings.var / "booking.lock").open("ab") as lock:
        return turns._is_taken(lock)
