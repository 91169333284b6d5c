"""« Recevoir vos factures »: on paper or on line alone, as the family sees and chooses it."""

from datetime import date

import pytest

from sevres_familles.families.delivery import BY_PORTAL, choose_delivery
from sevres_familles.identity.services import credentials_of
from tests import factories
from tests.conftest import NOW
from tests.identity.helpers import give_password, sign_in

HOME = "/familles/26719/"
PAGE = HOME + "recevoir-vos-factures"
EMAIL = "pierre@ville.example"


@pytest.fixture(autouse=True)
def _dupond(stored, registry):
    with stored() as portal:
        factories.store_family(portal)
        give_password(portal, registry)
        credentials_of(portal, factories.CODE).email = EMAIL


@pytest.fixture
def family(browser):
    """A browser in which the DUPOND family is signed in."""
    sign_in(browser)
    return browser


@pytest.fixture
def electronic(stored, registry):
    """The DUPOND family does without paper."""
    with stored() as portal:
        choose_delivery(portal, registry, portal["familles"][factories.CODE], electronic=True, at=NOW)


def words(answer):
    main = answer.html.main
    for fold in main("wbr"):
        fold.extract()
    main.smooth()
    return " ".join(main.get_text(" ").split())


def choices(stored):
    with stored() as portal:
        return [each.electronic for each in portal["familles"][factories.CODE].delivery_choices]


def kinds_waiting(stored):
    with stored() as portal:
        return sorted((str(mail.kind), mail.recipient) for mail in portal.stores["outbox"].waiting.values())


def test_a_family_whose_address_refused_its_mail_reads_why_it_has_paper_again(family, electronic, stored, registry):
    with stored() as portal:
        dupond = portal["familles"][factories.CODE]
        choose_delivery(portal, registry, dupond, electronic=False, at=NOW, by=BY_PORTAL)

    said = words(family.get(PAGE))

    assert "Votre messagerie a refusé le message qui annonçait vos factures" in said
    assert "depuis le lundi 23 novembre 2026" in said


def test_choosing_again_ends_the_warning(family, electronic, stored, registry):
    with stored() as portal:
        dupond = portal["familles"][factories.CODE]
        choose_delivery(portal, registry, dupond, electronic=False, at=NOW, by=BY_PORTAL)
    form = family.get(PAGE).forms["en-ligne"]
    form["accord"] = True

    assert "a refusé" not in words(form.submit().follow())


def test_paper_is_what_a_family_has_at_first(family, stored):
    said = words(family.get(PAGE))

    assert "Vos factures vous arrivent sur papier" in said
    assert f"Nous vous préviendrons à {EMAIL}" in said
    assert choices(stored) == []


def test_the_box_is_not_ticked_beforehand(family):
    assert "checked" not in family.get(PAGE).html.find("input", type="checkbox").attrs


def test_a_family_chooses_by_ticking_the_box_and_is_told_by_mail(family, stored):
    form = family.get(PAGE).forms["en-ligne"]
    form["accord"] = True

    page = form.submit().follow()

    assert "vos prochaines factures arriveront en ligne seulement" in page.text
    assert "Depuis le lundi 23 novembre 2026, vous recevez vos factures en ligne seulement." in words(page)
    assert choices(stored) == [True]
    assert ("delivery_chosen", EMAIL) in kinds_waiting(stored)


def test_without_a_tick_nothing_changes_and_the_fault_is_told_beside_the_box(family, stored):
    answer = family.get(PAGE).forms["en-ligne"].submit(expect_errors=True)

    assert answer.status_int == 422
    assert "Cochez cette case" in answer.html.find(id="en-ligne-accord-erreur").get_text()
    assert "Il reste un point à corriger" in answer.text
    assert answer.html.find("input", type="checkbox")["aria-invalid"] == "true"
    assert choices(stored) == []


def test_paper_comes_back_by_one_button(electronic, family, stored):
    page = family.get(PAGE).forms["sur-papier"].submit().follow()

    assert "vos prochaines factures arriveront sur papier" in page.text
    assert choices(stored) == [True, False]
    assert "delivery_chosen" in {kind for kind, _ in kinds_waiting(stored)}


def test_looking_at_the_address_of_the_button_changes_nothing(electronic, family, stored):
    answer = family.get(HOME + "factures-sur-papier")

    assert answer.location == "http://localhost" + PAGE
    assert choices(stored) == [True]


def test_a_family_without_a_confirmed_address_is_led_to_confirm_one(family, stored):
    with stored() as portal:
        credentials_of(portal, factories.CODE).email = None

    page = family.get(PAGE)

    assert "en-ligne" not in page.forms
    assert page.html.main.find("a", string="Confirmer mon adresse e-mail")["href"] == "/confirmer-mon-e-mail"


def test_an_address_that_goes_while_the_page_is_open_is_a_conflict(family, stored):
    form = family.get(PAGE).forms["en-ligne"]
    form["accord"] = True
    with stored() as portal:
        credentials_of(portal, factories.CODE).email = None

    answer = form.submit(status=409)

    assert "Confirmez d’abord votre adresse e-mail" in answer.text
    assert choices(stored) == []


def test_the_newest_invoice_shows_what_it_looks_like(family, stored):
    assert "Vous n’avez pas encore de facture" in words(family.get(PAGE))

    with stored() as portal:
        account = portal["familles"][factories.CODE]
        factories.store_invoice(account, factories.facts("9161"))
        factories.store_invoice(account, factories.facts("77", issued_on=date(2026, 11, 20)), regie="beauregard")

    link = family.get(PAGE).html.find(id="h-apercu").parent.find("a")
    assert "la même que sur papier, avec vos paiements à ce jour" in words(family.get(PAGE))
    assert link["href"].startswith(HOME + "comptes/beauregard/2026-77")
    assert family.get(link["href"]).status_int == 200


def test_home_and_record_say_how_invoices_arrive_and_lead_there(family, stored, registry):
    assert "Recevoir vos factures : sur papier" in words(family.get(HOME))
    assert "Vous les recevez sur papier, par la poste" in words(family.get(HOME + "dossier"))

    with stored() as portal:
        choose_delivery(portal, registry, portal["familles"][factories.CODE], electronic=True, at=NOW)

    assert "Recevoir vos factures : en ligne seulement" in words(family.get(HOME))
    record = family.get(HOME + "dossier")
    assert "Vous les recevez en ligne seulement" in words(record)
    assert record.html.find(id="h-envoi").parent.find("a")["href"] == PAGE


def test_another_family_s_choice_does_not_exist(family, stored):
    with stored() as portal:
        factories.store_family(portal, "31415")

    for name in ("recevoir-vos-factures", "factures-sur-papier"):
        assert family.get(f"/familles/31415/{name}", expect_errors=True).status_int == 404
