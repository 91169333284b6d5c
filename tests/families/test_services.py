"""How a family's record is told."""

from sevres_familles.domain.family import Address, FamilyRecord, Guardian
from sevres_familles.families.services import greeting, guardian_fields, households
from tests.factories import DUPOND, GRANDE_RUE

ANNE = Guardian("Madame", "MARTIN", "Anne", phone="09 00 00 00 00", address=Address("3", "Rue des Binelles"))


class TestGreeting:
    def test_parents_of_one_name_are_greeted_together(self):
        assert greeting(DUPOND.guardians) == "Monsieur et Madame DUPOND"

    def test_parents_of_two_names_are_both_greeted(self):
        assert greeting((DUPOND.guardians[0], ANNE)) == "Monsieur DUPOND et Madame MARTIN"

    def test_two_of_one_civility_and_name_are_greeted_once(self):
        assert greeting((ANNE, ANNE._replace(first_name="Zoé"))) == "Madame MARTIN"

    def test_a_civility_that_is_not_known_is_left_out(self):
        assert greeting((ANNE._replace(civility=""),)) == "MARTIN"

    def test_a_family_without_a_guardian_is_greeted_by_nothing(self):
        assert greeting(()) == ""


class TestHouseholds:
    def test_parents_who_live_together_share_an_address(self):
        (household,) = households(DUPOND)

        assert household.names == ("DUPOND Pierre", "DUPOND Danielle")
        assert household.address == ("12 Grande Rue", "92310 SÈVRES")
        assert household.phones == ("06 07 08 09 10", "09 56 56 56 56")

    def test_parents_who_live_apart_have_one_each(self):
        apart = list(households(FamilyRecord((DUPOND.guardians[0], ANNE))))

        assert [each.names for each in apart] == [("DUPOND Pierre",), ("MARTIN Anne",)]

    def test_a_telephone_that_both_share_stands_once(self):
        both = FamilyRecord((ANNE, ANNE._replace(first_name="Zoé")))

        assert next(households(both)).phones == ("09 00 00 00 00",)


def test_every_field_of_the_record_of_2009_is_there_in_its_order():
    labels = [label for label, _ in guardian_fields(DUPOND.guardians[0])]

    assert labels == [
        "Nom", "Civilité", "Prénom", "Tél. portable", "Tél. professionnel", "E-mail", "E-mail bureau",
        "Numéro", "Voie", "Complément", "Code postal", "Ville", "Téléphone",
    ]  # fmt: skip


def test_a_telephone_is_not_broken_over_two_lines():
    fields = dict(guardian_fields(Guardian("Monsieur", "DUPOND", "Pierre", mobile="06 07", address=GRANDE_RUE)))

    assert fields["Tél. portable"] == "06\xa007"
