"""Paper is the rule; on line alone is a dated choice of the family's (services of delivery)."""

from datetime import timedelta
from typing import Any

import pytest

from sevres_familles.families.delivery import NotReachable, choose_delivery
from sevres_familles.families.events import DeliveryChosen
from sevres_familles.families.resources import DeliveryChoice
from sevres_familles.identity.services import credentials_of
from tests import factories
from tests.conftest import NOW
from tests.identity.helpers import give_password

CODE = factories.CODE
LATER = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def _dupond(stored, registry):
    """The DUPOND family, with a password of its own and a confirmed address."""
    with stored() as portal:
        factories.store_family(portal)
        give_password(portal, registry)
        credentials_of(portal, CODE).email = "pierre@ville.example"


@pytest.fixture
def told(registry) -> list[DeliveryChosen]:
    events: list[DeliveryChosen] = []
    registry.registerHandler(events.append, (DeliveryChosen,))
    return events


@pytest.fixture
def choose(stored, registry):
    def choose(*, electronic: bool, at: Any = NOW) -> None:
        with stored() as portal:
            choose_delivery(portal, registry, portal["familles"][CODE], electronic=electronic, at=at)

    return choose


@pytest.fixture
def is_electronic(stored):
    def is_electronic() -> bool:
        with stored() as portal:
            return portal["familles"][CODE].electronic_only

    return is_electronic


def test_a_family_that_said_nothing_has_paper(is_electronic):
    assert not is_electronic()


def test_a_family_chooses_and_takes_its_choice_back_and_both_are_kept_with_their_date(stored, choose, is_electronic):
    choose(electronic=True)
    assert is_electronic()

    choose(electronic=False, at=LATER)

    assert not is_electronic()
    with stored() as portal:
        assert portal["familles"][CODE].delivery_choices == (
            DeliveryChoice(NOW, True, "famille"),
            DeliveryChoice(LATER, False, "famille"),
        )


def test_every_address_of_the_family_is_told(choose, told):
    choose(electronic=True)

    assert [(each.code, each.electronic, each.emails, each.at) for each in told] == [
        (CODE, True, ("pierre@ville.example", "dupond@free.fr"), NOW)
    ]


def test_choosing_what_holds_already_changes_nothing(stored, choose, told):
    choose(electronic=False)
    choose(electronic=True)
    choose(electronic=True, at=LATER)

    with stored() as portal:
        assert len(portal["familles"][CODE].delivery_choices) == 1
    assert len(told) == 1


@pytest.mark.parametrize("missing", ["password", "email"])
def test_a_family_that_could_not_be_told_has_no_choice(stored, choose, told, missing):
    with stored() as portal:
        setattr(credentials_of(portal, CODE), missing, None)

    with pytest.raises(NotReachable):
        choose(electronic=True)

    assert told == []


def test_when_the_confirmed_address_goes_paper_comes_back(stored, choose, is_electronic):
    choose(electronic=True)

    with stored() as portal:
        credentials_of(portal, CODE).email = None

    assert not is_electronic()


def test_paper_is_chosen_for_good_while_no_address_is_confirmed(stored, choose, is_electronic, told):
    """The page says that it is noted: the address that comes back must not bring the choice before back."""
    choose(electronic=True)
    with stored() as portal:
        credentials_of(portal, CODE).email = None

    choose(electronic=False, at=LATER)

    with stored() as portal:
        credentials_of(portal, CODE).email = "pierre@ville.example"
    assert not is_electronic()
    assert [each.electronic for each in told] == [True, False]


def test_an_import_leaves_the_choice_alone(stored, choose, is_electronic):
    choose(electronic=True)

    with stored() as portal:
        lots = portal.stores["lots"]
        lot = lots.give()
        portal["familles"][CODE].stage(lot, factories.DUPOND._replace(children=()))
        lots.publish(lot)

    assert is_electronic()
