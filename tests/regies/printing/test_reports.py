"""What the command tells who prints: what reached nobody, and the very command that mends it."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from pyramid.request import Request

from sevres_familles.domain.family import FamilyRecord
from sevres_familles.identity.services import credentials_of
from sevres_familles.regies.printing.command import answer, options
from tests.conftest import StoppedClock, Stored
from tests.factories import CODE, facts, store_family, store_invoice
from tests.regies.printing.test_running import go_electronic

LOT = ("--regie", "scolaire", "--lot", "CANTINES")
Told = Callable[..., str]


@pytest.fixture
def told(ask: Callable[[], Request]) -> Told:
    """Give what the command answers to arguments, its status before it."""

    def told(*arguments: str) -> str:
        lines, status = answer(ask(), options().parse_args(["ville.ini", *arguments]))
        return "\n".join([str(status), *lines])

    return told


def test_what_was_left_by_a_confirmation_is_told_with_the_command_that_prints_it(
    told: Told, stored: Stored, registry: Any
) -> None:
    with stored() as portal:
        family = store_family(portal)
        go_electronic(portal, registry, family)
        store_invoice(family)
    told(*LOT)
    with stored() as portal:
        credentials_of(portal, CODE).email = None

    said = told("--confirm", "2026-11-23-1")

    command = "sevres-print ville.ini --regie scolaire --lot CANTINES --issued 03/11/2026"
    assert "1 facture n’a atteint personne" in said
    assert command in said
    assert "Lettres : 1 facture" in told(*command.split()[2:])


def test_invoices_of_another_day_that_nobody_printed_are_told_with_the_command_that_prints_them(
    told: Told, stored: Stored
) -> None:
    with stored() as portal:
        family = store_family(portal)
        store_invoice(family, facts("9000", issued_on=date(2026, 10, 3)))
        store_invoice(family)

    said = told(*LOT)

    command = "sevres-print ville.ini --regie scolaire --lot CANTINES --issued 03/10/2026"
    assert "1 facture du même lot, du 03/10/2026" in said
    assert command in said
    told("--confirm", "2026-11-23-1")
    assert "Rien à imprimer" in told(*LOT)
    assert command in told(*LOT)
    told(*command.split()[2:])
    told("--confirm", "2026-11-23-2")
    assert command not in told(*LOT)


def test_a_password_that_was_kept_is_told(told: Told, stored: Stored, clock: StoppedClock) -> None:
    with stored() as portal:
        store_invoice(store_family(portal))
    told(*LOT)
    clock.advance(hours=4)
    told(*LOT, "--family", CODE)
    told("--confirm", "2026-11-23-2")

    assert "1 famille garde le mot de passe d’une lettre plus récente" in told("--confirm", "2026-11-23-1")


def test_what_was_left_out_as_faulty_is_named_and_the_way_to_leave_it_out_is_told(told: Told, stored: Stored) -> None:
    with stored() as portal:
        store_invoice(store_family(portal, record=FamilyRecord(())))
        store_invoice(store_family(portal, "31415"), facts("9162"))

    refused = told(*LOT)
    said = told(*LOT, "--without-faulty")

    assert refused.startswith("1")
    assert "--without-faulty" in refused
    assert said.startswith("0")
    assert f"Facture 2026-9161, famille {CODE}" in said
    assert "ces factures n’ont pas été imprimées" in said
    assert "Lettres : 1 facture" in said
