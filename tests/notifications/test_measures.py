"""What machines that watch are told of mails: a row that moves is no fault, however long it is."""

from datetime import timedelta
from typing import Any

import pytest

from sevres_familles.notifications.measures import measures_of_mails
from sevres_familles.web.watching import Measure
from tests.conftest import NOW
from tests.notifications.conftest import write_mail

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def untried(stored: Any, registry: Any) -> Any:
    """Measure an hour after three mails were written."""

    def measure() -> Measure:
        with stored() as portal:
            found = measures_of_mails(portal, registry, LATER)
            return next(each for each in found if each.name == "mails_untried_seconds")

    with stored() as portal:
        for _ in range(3):
            write_mail(portal)
    return measure


def settle(stored: Any, at: Any, *, sent: bool = True) -> None:
    with stored() as portal:
        outbox = portal.stores["outbox"]
        key = next(iter(outbox.waiting))
        if sent:
            outbox.mark_sent(key, at)
        else:
            outbox.give_up(key, "TooLate", at)


def test_mails_that_nobody_tries_are_a_fault(untried):
    assert untried().value == 3600
    assert not untried().is_good


def test_a_long_row_from_which_mails_leave_is_none(untried, stored):
    settle(stored, LATER - timedelta(minutes=1))

    assert untried().value == 60
    assert untried().is_good


def test_a_row_that_stands_still_again_is_a_fault(untried, stored):
    settle(stored, LATER - timedelta(minutes=16))

    assert not untried().is_good


def test_giving_mails_up_is_no_progress(untried, stored):
    settle(stored, LATER - timedelta(minutes=1), sent=False)

    assert not untried().is_good


def test_mails_that_were_tried_are_no_fault_of_the_portal(untried, stored):
    with stored() as portal:
        for mail in portal.stores["outbox"].waiting.values():
            mail.claim(until=LATER)

    assert untried().value == 0
