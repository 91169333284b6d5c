"""The confirmation of a run: passwords open the portal then and not before; earlier letters live until then."""

from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyramid.request import Request
from webtest import TestApp

from sevres_familles.identity.resources import Scope
from sevres_familles.identity.services import authenticate, credentials_of
from sevres_familles.regies.events import InvoicesPublished
from sevres_familles.regies.printing import confirming
from sevres_familles.regies.printing.choosing import Asked
from sevres_familles.regies.printing.confirming import (
    ConfirmedRun,
    UnknownRun,
    abandon,
    clean,
    confirm,
)
from sevres_familles.regies.printing.folders import Folders
from sevres_familles.regies.printing.resources import Confirmed
from sevres_familles.regies.printing.running import Printed, print_lot
from tests.conftest import NOW, StoppedClock, Stored
from tests.factories import CODE, facts, store_family, store_invoice
from tests.identity.helpers import PASSWORD, give_password, give_printed_password, sign_in
from tests.regies.printing.test_running import CANTINES, files_of, go_electronic, password_on

Ask = Callable[[], Request]


def opens(stored: Stored, registry: Any, password: str, code: str = CODE, at: Any = NOW) -> Scope | None:
    """Tell what a password opens."""
    with stored() as portal:
        return authenticate(portal, registry, code, password, at)


@pytest.fixture
def printed(ask: Ask, stored: Stored) -> Printed:
    """A run of one letter, to a family that had an earlier letter."""
    with stored() as portal:
        store_invoice(store_family(portal))
    return print_lot(ask(), CANTINES)


def many(stored: Stored, count: int) -> list[str]:
    """Store as many families with an invoice, and give their codes."""
    codes = [f"1{number:04d}" for number in range(count)]
    with stored() as portal:
        for number, code in enumerate(codes):
            store_invoice(store_family(portal, code), facts(str(number)))
    return codes


# --- passwords ---


def test_a_confirmed_password_opens_the_choice_of_an_own_one(
    ask: Ask, stored: Stored, registry: Any, printed: Printed
) -> None:
    password = password_on(files_of(printed.folder)[0])

    done = confirm(ask(), printed.name).done

    assert done == Confirmed(letters=1, passwords=1)
    assert opens(stored, registry, password) is Scope.ACTIVATION


def test_the_earlier_letter_is_good_until_the_confirmation_and_no_longer(
    ask: Ask, stored: Stored, registry: Any
) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
        earlier = give_printed_password(portal, registry)
    printed = print_lot(ask(), CANTINES)
    assert opens(stored, registry, earlier) is Scope.ACTIVATION

    confirm(ask(), printed.name)

    assert opens(stored, registry, earlier) is None


def test_abandoned_a_run_kills_no_earlier_letter(ask: Ask, stored: Stored, registry: Any) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
        earlier = give_printed_password(portal, registry)
    printed = print_lot(ask(), CANTINES)
    new = password_on(files_of(printed.folder)[0])

    abandon(ask(), printed.name)

    assert opens(stored, registry, earlier) is Scope.ACTIVATION
    assert opens(stored, registry, new) is None
    with pytest.raises(UnknownRun):
        confirm(ask(), printed.name)


def test_the_life_of_a_password_begins_with_the_confirmation(
    ask: Ask, stored: Stored, registry: Any, printed: Printed, clock: StoppedClock
) -> None:
    password = password_on(files_of(printed.folder)[0])
    clock.advance(days=5)

    confirm(ask(), printed.name)

    assert opens(stored, registry, password, at=clock.now() + timedelta(days=44)) is Scope.ACTIVATION
    assert opens(stored, registry, password, at=clock.now() + timedelta(days=45)) is None


def test_a_family_that_chose_its_own_password_meanwhile_keeps_it_alone(
    ask: Ask, stored: Stored, registry: Any, printed: Printed
) -> None:
    new = password_on(files_of(printed.folder)[0])
    with stored() as portal:
        give_password(portal, registry)

    done = confirm(ask(), printed.name).done

    assert done == Confirmed(letters=1, passwords=0)
    assert opens(stored, registry, PASSWORD) is Scope.FAMILY
    assert opens(stored, registry, new) is None


def test_a_run_that_is_confirmed_late_leaves_the_password_of_a_younger_letter(
    ask: Ask, stored: Stored, registry: Any, printed: Printed, clock: StoppedClock
) -> None:
    clock.advance(hours=4)
    younger = print_lot(ask(), CANTINES._replace(family=CODE))
    password = password_on(files_of(younger.folder)[0])
    confirm(ask(), younger.name)
    clock.advance(hours=4)

    done = confirm(ask(), printed.name).done

    assert done == Confirmed(letters=1, passwords=0, kept=1)
    assert opens(stored, registry, password, at=clock.now()) is Scope.ACTIVATION


def test_a_run_that_was_made_later_is_in_force_even_if_the_one_before_was_confirmed_after_it_was_made(
    ask: Ask, stored: Stored, registry: Any, printed: Printed, clock: StoppedClock
) -> None:
    clock.advance(hours=1)
    later = print_lot(ask(), CANTINES)
    password = password_on(files_of(later.folder)[0])
    clock.advance(hours=1)
    confirm(ask(), printed.name)

    assert confirm(ask(), later.name).done == Confirmed(letters=1, passwords=1)

    assert opens(stored, registry, password, at=clock.now()) is Scope.ACTIVATION


def test_a_younger_letter_whose_password_is_too_old_keeps_nothing_out(
    ask: Ask, stored: Stored, registry: Any, printed: Printed, clock: StoppedClock
) -> None:
    clock.advance(minutes=1)
    with stored() as portal:
        give_printed_password(portal, registry)
    clock.advance(days=46)

    assert confirm(ask(), printed.name).done == Confirmed(letters=1, passwords=1)


def test_from_its_letter_a_family_comes_to_the_choice_of_a_password(
    ask: Ask, browser: TestApp, printed: Printed
) -> None:
    password = password_on(files_of(printed.folder)[0])
    assert sign_in(browser, password=password).status_int == 422

    confirm(ask(), printed.name)

    assert sign_in(browser, password=password).location.endswith("/mot-de-passe")


# --- what is done, and done once ---


def test_confirmed_invoices_are_not_printed_again(ask: Ask, stored: Stored, printed: Printed) -> None:
    confirm(ask(), printed.name)

    again = print_lot(ask(), CANTINES)
    all_the_same = print_lot(ask(), CANTINES._replace(again=True))

    assert (again.name, again.chosen.printed) == ("", 1)
    assert all_the_same.chosen.paper == [(CODE, "2026-9161")]


def test_the_files_are_gone(ask: Ask, printed: Printed) -> None:
    confirm(ask(), printed.name)

    assert not printed.folder.exists()


def test_confirming_twice_does_nothing_the_second_time(
    ask: Ask, stored: Stored, registry: Any, printed: Printed
) -> None:
    password = password_on(files_of(printed.folder)[0])
    confirm(ask(), printed.name)
    with stored() as portal:
        portal.stores["credentials"][CODE].printed = None

    again = confirm(ask(), printed.name)

    assert again.was_done
    assert again.done == Confirmed(letters=1, passwords=1)

    assert opens(stored, registry, password) is None


def test_a_run_that_was_confirmed_cannot_be_abandoned(ask: Ask, printed: Printed) -> None:
    confirm(ask(), printed.name)

    with pytest.raises(ConfirmedRun):
        abandon(ask(), printed.name)


@pytest.mark.parametrize("act", [confirm, abandon])
def test_a_run_that_is_not_there_is_told(ask: Ask, act: Callable[..., Any]) -> None:
    with pytest.raises(UnknownRun):
        act(ask(), "2026-11-23-1")


def test_a_run_whose_files_went_after_a_week_can_still_be_confirmed(
    ask: Ask, stored: Stored, registry: Any, printed: Printed, clock: StoppedClock
) -> None:
    password = password_on(files_of(printed.folder)[0])
    clock.advance(days=8)
    clean(ask())
    assert not printed.folder.exists()

    confirm(ask(), printed.name)

    assert opens(stored, registry, password, at=clock.now()) is Scope.ACTIVATION


# --- on line ---


def test_families_that_want_no_paper_are_told_at_the_confirmation(ask: Ask, stored: Stored, registry: Any) -> None:
    told: list[InvoicesPublished] = []
    registry.registerHandler(told.append, (InvoicesPublished,))
    with stored() as portal:
        family = store_family(portal)
        go_electronic(portal, registry, family)
        store_invoice(family, facts("9161"))
        store_invoice(family, facts("9162"))
    printed = print_lot(ask(), CANTINES)
    assert told == []

    done = confirm(ask(), printed.name).done

    assert done == Confirmed(told=1)
    (event,) = told
    assert [invoice.__name__ for invoice in event.invoices] == ["2026-9161", "2026-9162"]
    assert event.at == NOW
    assert print_lot(ask(), CANTINES).chosen.printed == 2


def test_a_family_that_wants_paper_again_by_then_is_counted_and_left_to_another_run(
    ask: Ask, stored: Stored, registry: Any
) -> None:
    with stored() as portal:
        family = store_family(portal)
        go_electronic(portal, registry, family)
        store_invoice(family)
    printed = print_lot(ask(), CANTINES)
    with stored() as portal:
        credentials_of(portal, CODE).email = None

    confirmed = confirm(ask(), printed.name)

    assert confirmed.done == Confirmed(left=1)
    assert print_lot(ask(), confirmed.asked).chosen.paper == [(CODE, "2026-9161")]


def test_what_reached_nobody_is_known_after_a_confirmation_that_was_killed(
    ask: Ask, stored: Stored, registry: Any
) -> None:
    with stored() as portal:
        family = store_family(portal)
        go_electronic(portal, registry, family)
        store_invoice(family)
    printed = print_lot(ask(), CANTINES)
    with stored() as portal:
        credentials_of(portal, CODE).email = None
    with pytest.raises(Killed):
        confirm(ask(), printed.name, lambda *_: nullcontext(die))

    assert confirm(ask(), printed.name).done == Confirmed(left=1)
    assert confirm(ask(), printed.name).done.left == 1


# --- what the log tells ---


def test_runs_are_told_in_the_log_without_anything_of_a_family(
    ask: Ask, printed: Printed, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "sevres_familles.security")
    other = print_lot(ask(), CANTINES)

    abandon(ask(), other.name)
    confirm(ask(), printed.name)

    assert [(record.message, record.facts) for record in caplog.records if "print " in record.message] == [  # type: ignore[attr-defined]
        ("print run", {"run": other.name, "letters": 1, "passwords": 1}),
        ("print abandoned", {"run": other.name}),
        ("print confirmed", {"run": printed.name, "letters": 1, "passwords": 1}),
    ]


# --- killed ---


class Killed(BaseException):
    """What a kill is to the code that it stops."""


def die(*_: Any) -> None:
    raise Killed


def test_killed_within_a_confirmation_goes_on_where_it_stopped(
    ask: Ask, stored: Stored, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = many(stored, 5)
    printed = print_lot(ask(), CANTINES)
    passwords = dict(zip(codes, map(password_on, files_of(printed.folder)), strict=True))
    monkeypatch.setattr(confirming, "_AT_ONCE", 2)
    steps: list[int] = []

    def advance(count: int) -> None:
        steps.append(count)
        raise Killed

    with pytest.raises(Killed):
        confirm(ask(), printed.name, lambda *_: nullcontext(advance))
    opened = [code for code in codes if opens(stored, registry, passwords[code], code)]
    assert opened == codes[:2]
    with pytest.raises(ConfirmedRun):
        abandon(ask(), printed.name)

    assert confirm(ask(), printed.name).done == Confirmed(letters=5, passwords=5)

    assert all(opens(stored, registry, passwords[code], code) for code in codes)


def test_killed_between_the_database_and_the_files_a_run_is_finished_by_the_next_command(
    ask: Ask, stored: Stored, monkeypatch: pytest.MonkeyPatch, impressions: Path
) -> None:
    many(stored, 2)
    with monkeypatch.context() as patched:
        patched.setattr(Folders, "finish", die)
        with pytest.raises(Killed):
            print_lot(ask(), CANTINES)
    assert (impressions / "2026-11-23-1.partiel").exists()

    clean(ask())

    assert len(files_of(impressions / "2026-11-23-1")) == 2
    assert confirm(ask(), "2026-11-23-1").done.letters == 2


def test_killed_before_the_database_a_run_leaves_nothing_that_is_good(
    ask: Ask, stored: Stored, registry: Any, monkeypatch: pytest.MonkeyPatch, impressions: Path
) -> None:
    (code,) = many(stored, 1)
    with monkeypatch.context() as patched:
        patched.setattr("sevres_familles.regies.printing.running.os.sync", die)
        patched.setattr(Folders, "clean", lambda *_: [])
        with pytest.raises(Killed):
            print_lot(ask(), CANTINES)
    password = password_on(files_of(impressions / "2026-11-23-1.partiel")[0])
    assert password

    with pytest.raises(UnknownRun):
        confirm(ask(), "2026-11-23-1")
    clean(ask())

    assert [each.name for each in impressions.iterdir()] == ["lock"]
    assert opens(stored, registry, password, code) is None


def test_a_family_that_signs_in_while_its_letter_is_confirmed_loses_nothing(
    ask: Ask, stored: Stored, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    many(stored, 1)
    with stored() as portal:
        give_printed_password(portal, registry, "10000")
    printed = print_lot(ask(), CANTINES)
    activate = confirming.activate_printed_password
    meanwhile = iter([True])

    def slowly(*arguments: Any, **moments: Any) -> bool:
        done = activate(*arguments, **moments)
        if next(meanwhile, False):
            with stored() as portal:
                give_password(portal, registry, "10000")
        return done

    monkeypatch.setattr(confirming, "activate_printed_password", slowly)

    done = confirm(ask(), printed.name).done

    assert done == Confirmed(letters=1, passwords=0)
    assert opens(stored, registry, PASSWORD, "10000") is Scope.FAMILY


def test_one_letter_for_a_family_that_lost_its_own_can_be_printed_and_confirmed(
    ask: Ask, stored: Stored, registry: Any, printed: Printed
) -> None:
    confirm(ask(), printed.name)

    letter = print_lot(ask(), Asked("scolaire", "CANTINES", again=True, family=CODE))
    password = password_on(files_of(letter.folder)[0])
    confirm(ask(), letter.name)

    assert opens(stored, registry, password) is Scope.ACTIVATION
