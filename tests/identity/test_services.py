"""Acts of identity, without pages."""

import pytest

from sevres_familles.domain.family import FamilyRecord, Guardian
from sevres_familles.identity.resources import Scope
from sevres_familles.identity.security import SecurityPolicy, SignedIn
from sevres_familles.identity.services import MOST_FAMILIES, ask_reset, credentials_of, emails_of, mail_address
from tests import factories

BOTH = FamilyRecord(
    (
        Guardian("Monsieur", "A", "B", email="b@example.fr", work_email="B@Example.fr"),
        Guardian("Madame", "A", "C", email="c@example.fr"),
    )
)


@pytest.fixture
def portal(stored, registry):
    with stored() as portal:
        factories.store_family(portal, "30001", BOTH, key=registry.settings_of_portal.secret("tokens.key"))
        yield portal


def test_each_address_of_a_family_is_given_once(portal, registry):
    assert emails_of(portal, registry, "30001") == ("b@example.fr", "c@example.fr")


def test_the_confirmed_address_comes_first(portal, registry):
    credentials_of(portal, "30001").email = "C@example.fr"

    assert emails_of(portal, registry, "30001") == ("C@example.fr", "b@example.fr")
    assert mail_address(portal, registry, "30001") == "C@example.fr"


def test_a_family_without_an_address_or_that_does_not_show_has_none(portal, registry):
    factories.store_family(portal, "30002", FamilyRecord((Guardian("Madame", "A", "B"),)))
    credentials_of(portal, "99999").email = "gone@example.fr"

    assert mail_address(portal, registry, "30002") is None
    assert mail_address(portal, registry, "99999") is None


def test_credentials_are_made_when_first_needed_and_kept(portal):
    assert credentials_of(portal, "30001") is credentials_of(portal, "30001")
    assert list(portal.stores["credentials"]) == ["30001"]


def test_asking_for_an_unknown_address_makes_no_credentials(portal, registry, clock, announced):
    ask_reset(portal, registry, "nobody@example.fr", clock.now())

    assert list(portal.stores["credentials"]) == []
    assert announced == []


def test_one_mail_serves_a_bounded_number_of_families(portal, registry, clock, announced):
    key = registry.settings_of_portal.secret("tokens.key")
    for number in range(MOST_FAMILIES + 5):
        factories.store_family(portal, str(40_000 + number), BOTH, key=key)

    ask_reset(portal, registry, "c@example.fr", clock.now())

    assert len(announced[0].links) == MOST_FAMILIES


def test_principals_follow_from_the_scope():
    whole, confined = SignedIn("30001", Scope.FAMILY), SignedIn("30001", Scope.ACTIVATION)

    assert "family:30001" in whole.principals
    assert whole.confined_to is None
    assert "family:30001" not in confined.principals
    assert confined.confined_to == "mot-de-passe"


@pytest.mark.parametrize("act", [lambda policy: policy.remember(None, "30001"), lambda policy: policy.forget(None)])
def test_pyramid_s_own_way_of_signing_in_is_closed(act):
    with pytest.raises(NotImplementedError):
        act(SecurityPolicy())
