"""What identity asks of the families."""

import pytest

from sevres_familles.domain.family import FamilyRecord, Guardian
from sevres_familles.families.directory import FamilyDirectory
from sevres_familles.families.resources import Family
from tests import factories

directory = FamilyDirectory()


@pytest.fixture
def portal(stored):
    with stored() as portal:
        factories.store_family(portal)
        yield portal


def test_greets_the_first_guardian(portal):
    assert directory.addressee(portal, "26719") == "Monsieur DUPOND"


def test_gives_the_addresses_private_ones_first(portal):
    record = FamilyRecord(
        (
            Guardian("Monsieur", "A", "B", work_email="b@bureau.example"),
            Guardian("Madame", "A", "C", email="c@example.fr"),
        )
    )
    factories.store_family(portal, "30001", record)

    assert directory.emails(portal, "30001") == ("c@example.fr", "b@bureau.example")


def test_names_what_a_password_may_not_contain(portal):
    words = dict(directory.personal_words(portal, "26719"))

    assert words == {
        "DUPOND": "votre nom",
        "Pierre": "votre prénom",
        "Danielle": "votre prénom",
        "Léa": "le prénom d’un enfant",
        "Hugo": "le prénom d’un enfant",
    }


def test_knows_nothing_of_a_family_that_does_not_show(portal):
    lots = portal.stores["lots"]
    family = portal["familles"].add("40000", Family("40000", lots))
    family.stage(lots.give(), factories.DUPOND)

    for code in ("40000", "99999", ""):
        assert not directory.exists(portal, code)
        assert directory.addressee(portal, code) == ""
        assert directory.emails(portal, code) == ()
        assert list(directory.personal_words(portal, code)) == []


def test_greets_nobody_when_the_record_names_nobody(portal):
    factories.store_family(portal, "30001", FamilyRecord(()))

    assert directory.addressee(portal, "30001") == ""
