"""The screens of payments, through the real application: review, way to the bank, what became of it, receipts."""

import re
from dataclasses import replace

import pytest

from sevres_familles.domain.invoice import BillingFigures, BillingState
from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.services import apply
from tests import factories
from tests.identity.helpers import give_password, sign_in
from tests.payments.making import evidence, opened

ACCOUNT = "/familles/26719/comptes/scolaire/"
OTHER = "31415"


@pytest.fixture(autouse=True)
def families(stored, registry):
    with stored() as portal:
        for code in ("26719", OTHER):
            family = factories.store_family(portal, code)
            factories.store_invoice(family)
            factories.store_invoice(
                family, factories.facts("9174", amount=Money(4280), label="GARDERIES OCTO", lot="GARDERIES")
            )
            give_password(portal, registry, code)


@pytest.fixture
def family(browser):
    """A browser in which the DUPOND family is signed in."""
    sign_in(browser)
    return browser


def review(browser, *names, status=200):
    return browser.get(ACCOUNT + "payer", [("facture", name) for name in names or ("2026-9161",)], status=status)


def payments_of(stored):
    with stored() as portal:
        return {payment.reference: payment.amount for payment in portal["paiements"].values()}


def confirm(browser, *names):
    form = review(browser, *names).forms[1]
    return form.submit()


@pytest.fixture
def payment(stored, registry):
    """The address of a payment that left for the bank."""
    with stored() as portal:
        return f"/paiements/{opened(portal, registry).reference}/"


def tell(stored, registry, address, *messages):
    with stored() as portal:
        found = portal["paiements"][address.split("/")[2]]
        for message in messages:
            apply(portal, registry, found, message)


class TestReview:
    def test_shows_what_how_much_and_to_whom(self, family):
        page = review(family, "2026-9161", "2026-9174")

        assert "FACTURATION CANTINES OCTO" in page
        assert "102,80\xa0€" in page
        assert "Ville de Sèvres, régie scolaire et périscolaire" in page
        assert "dupond@free.fr" in page.html.text

    def test_reading_it_opens_nothing(self, family, stored):
        review(family)

        assert payments_of(stored) == {}

    def test_confirming_opens_the_payment_and_leads_to_the_bank(self, family, stored):
        page = confirm(family, "2026-9161", "2026-9174").follow()

        assert list(payments_of(stored).values()) == [Money(10280)]
        form = page.forms[1]
        assert form.action == "http://127.0.0.1:6544/banque/vads-payment/"
        assert form["vads_amount"].value == "10280"
        assert "Continuer vers la banque" in page

    def test_amounts_of_the_browser_are_refused(self, family, stored):
        token = review(family).forms[1]["csrf_token"].value
        sent = {"csrf_token": token, "facture": "2026-9161", "amount": "1"}

        family.post(ACCOUNT + "payer", sent, status=400)

        assert payments_of(stored) == {}

    def test_a_field_that_stands_twice_is_refused(self, family, stored):
        form = review(family).forms[1]
        fields = [*form.submit_fields(), ("vu", form["vu"].value)]

        family.post(ACCOUNT + "payer", fields, status=400)

        assert payments_of(stored) == {}

    def test_without_a_token_nothing_is_opened(self, family, stored):
        family.post(ACCOUNT + "payer", {"facture": "2026-9161"}, status=400)

        assert payments_of(stored) == {}

    def test_an_amount_that_changed_meanwhile_is_shown_before_it_is_charged(self, family, stored):
        form = review(family).forms[1]
        with stored() as portal:
            invoice = portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"]
            invoice.stage(portal.stores["lots"].published, BillingFigures(Money(4500), BillingState.DUE))

        page = form.submit(status=409)

        assert "a changé entre-temps" in page
        assert "45,00\xa0€" in page
        assert payments_of(stored) == {}
        assert page.forms[1].submit().status_int == 303

    def test_a_second_payment_is_refused_and_leads_to_the_first(self, family, payment):
        page = review(family, status=409)

        assert "en cours depuis 15:40" in page
        assert payment in page

    def test_a_second_confirmation_of_the_same_page_opens_no_second_payment(self, family, stored):
        form = review(family).forms[1]
        form.submit()

        form.submit(status=409)

        assert len(payments_of(stored)) == 1

    @pytest.mark.parametrize("state", [BillingState.SENT_TO_TREASURY, BillingState.CANCELLED])
    def test_what_is_not_paid_here_says_so(self, family, stored, state):
        with stored() as portal:
            invoice = portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"]
            invoice.stage(portal.stores["lots"].published, BillingFigures(Money(6000), state))

        assert str(state) in review(family, status=409)

    def test_what_is_paid_says_that_it_is(self, family, payment, stored, registry):
        tell(stored, registry, payment, evidence(EvidenceKind.AUTHORISED))

        assert review(family, status=409).html.h1.get_text() == "Cette facture est déjà payée"

    def test_nothing_chosen_says_what_to_do(self, family):
        page = family.get(ACCOUNT + "payer", status=303).follow()

        note = page.html.find(id="erreurs")
        assert "Cochez au moins une facture" in note.get_text()
        assert note["role"] == "alert"
        assert page.html.title.get_text().startswith("Erreur")
        assert not page.html.main.find_all("input", attrs={"name": "facture", "checked": True})

    def test_an_unknown_invoice_is_not_found(self, family):
        review(family, "2026-1", status=404)

    def test_too_many_invoices_are_refused(self, family):
        review(family, *(f"2026-{number}" for number in range(101)), status=400)


class TestTheWayToTheBank:
    def test_ends_with_the_life_of_the_page_of_the_bank(self, family, payment, clock):
        clock.advance(minutes=19)
        sign_in(family)

        assert family.get(payment + "continuer", status=303).location.endswith(payment)

    def test_coming_back_drops_what_the_browser_carries(self, family, payment, stored):
        answer = family.get(payment + "retour?vads_result=00&vads_trans_status=AUTHORISED", status=303)

        assert answer.location == "http://localhost" + payment
        assert "attendons la réponse" in answer.follow()


STATES = {
    "refused": ([evidence(EvidenceKind.REFUSED)], "Rien n’a été débité"),
    "abandoned": ([evidence(EvidenceKind.ABANDONED)], "Rien n’a été débité"),
    "accepted": ([evidence(EvidenceKind.AUTHORISED)], "Reçu n° 2026-SCO-000001"),
    "waiting": ([], "Ne payez pas une seconde fois"),
    "pending": ([evidence(EvidenceKind.PENDING)], "Elle le vérifie avant de l’accepter"),
    "voided": ([evidence(EvidenceKind.AUTHORISED), evidence(EvidenceKind.VOIDED)], "Votre carte n’est pas débitée"),
    "called off": (
        [evidence(EvidenceKind.PENDING), evidence(EvidenceKind.VOIDED)],
        "Rien n’a été débité La régie ou la banque a annulé ce paiement avant qu’il ne soit accepté.",
    ),
    "short": ([evidence(EvidenceKind.AUTHORISED, 2500)], "Elle a reçu 25,00\xa0€ sur 60,00\xa0€ demandés"),
    "refunded": (
        [evidence(EvidenceKind.AUTHORISED), evidence(EvidenceKind.CREDIT, transaction="u2")],
        "La régie vous a remboursé 60,00\xa0€ le 23/11/2026",
    ),
    "reduced": (
        [evidence(EvidenceKind.AUTHORISED), evidence(EvidenceKind.CREDIT, 1500, transaction="u2")],
        "Une partie de ce paiement vous a été rendue",
    ),
    "charged back": (
        [evidence(EvidenceKind.AUTHORISED), evidence(EvidenceKind.CHARGEBACK)],
        "Votre banque a repris 60,00\xa0€",
    ),
    "paid twice": (
        [evidence(EvidenceKind.AUTHORISED), evidence(EvidenceKind.AUTHORISED, transaction="u2")],
        "La régie garde cette somme à votre nom",
    ),
}


class TestThePayment:
    @pytest.mark.parametrize("name", STATES)
    def test_says_whether_money_was_taken(self, family, payment, stored, registry, name):
        messages, words = STATES[name]
        tell(stored, registry, payment, *messages)

        text = " ".join(family.get(payment).html.get_text(" ").split(" "))
        assert words in re.sub(r"[ \n]+", " ", text)

    @pytest.mark.parametrize("name", STATES)
    def test_its_part_that_changes_is_the_same_alone(self, family, payment, stored, registry, name):
        tell(stored, registry, payment, *STATES[name][0])

        whole, part = family.get(payment), family.get(payment + "etat")

        assert part.html.find(attrs={"data-state": True}).get_text() in whole.html.get_text()
        assert "<html" not in part

    def test_is_told_as_kept_by_the_regie_when_no_invoice_took_any_of_it(self, family, payment, stored, registry):
        with stored() as portal:
            invoice = portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"]
            invoice.stage(portal.stores["lots"].published, BillingFigures(Money(0), BillingState.PAID_AT_COUNTER))
        tell(stored, registry, payment, evidence(EvidenceKind.AUTHORISED))

        page = family.get(payment).html

        assert page.h1.get_text() == "Votre paiement est accepté, la régie le garde"
        assert page.main.find(class_="badge").get_text() == "gardé par la régie"
        assert "La régie garde votre paiement" in page.main.get_text()
        assert "une partie" not in page.main.get_text()
        assert "gardé par la régie" in family.get("/familles/26719/paiements")
        assert "Somme gardée par la régie" in family.get("/familles/26719/")

    def test_says_which_part_the_regie_keeps(self, family, payment, stored, registry):
        tell(stored, registry, payment, evidence(EvidenceKind.AUTHORISED, 6788))

        page = family.get(payment).html

        assert "La régie garde une partie de votre paiement" in page.main.get_text()
        assert (
            "La facture de ce paiement n’a pas pu recevoir 7,88\xa0€\xa0: elle était déjà payée" in page.main.get_text()
        )
        for address in ("/familles/26719/paiements", "/familles/26719/"):
            assert "7,88\xa0€ gardés par la régie" in family.get(address)

    def test_blames_no_bank_that_did_not_speak(self, family, payment, stored, registry):
        tell(stored, registry, payment, evidence(EvidenceKind.REFUSED))

        text = family.get(payment).html.main.get_text()

        assert "Votre banque ou la banque de la ville n’a pas accepté ce paiement de 60,00\xa0€" in text
        assert "Cette facture reste à payer." in text
        assert "pourquoi" not in text

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (("2026-9161",), "votre facture se libère au bout"),
            (("2026-9161", "2026-9174"), "vos factures se libèrent au bout"),
        ],
    )
    def test_counts_the_invoices_that_it_speaks_of(self, family, stored, registry, names, words):
        with stored() as portal:
            address = f"/paiements/{opened(portal, registry, *names).reference}/"

        assert words in family.get(address)
        assert words.split(" au ")[0].capitalize() + " aussitôt" in family.get(address + "continuer")

    @pytest.mark.parametrize("name", ["reduced", "refunded", "charged back"])
    def test_of_which_money_went_back_says_whom_to_call_before_paying_again(
        self, family, payment, stored, registry, name
    ):
        tell(stored, registry, payment, *STATES[name][0])

        text = re.sub(r"\s+", " ", family.get(payment).html.main.get_text())

        assert "Appelez le 01 41 14 11 23 ou 01 41 14 11 29 avant de payer de nouveau." in text

    def test_that_was_voided_is_told_alike_on_the_invoice_and_in_the_list(self, family, payment, stored, registry):
        tell(stored, registry, payment, *STATES["voided"][0])

        assert "annulé avant d’être débité" in family.get("/familles/26719/paiements")
        assert "Paiement annulé avant d’être débité" in family.get(ACCOUNT + "2026-9161/")
        assert family.get(payment).html.main.find(class_="badge").get_text() == "annulé avant d’être débité"

    def test_says_who_cancelled_it(self, family, payment, stored, registry):
        """The family left the bank, or somebody else did it: neither is told for the other."""
        tell(stored, registry, payment, evidence(EvidenceKind.ABANDONED))
        assert "Vous avez quitté la banque avant de payer" in family.get(payment)

        tell(stored, registry, payment, evidence(EvidenceKind.PENDING, transaction="u2"))
        tell(stored, registry, payment, evidence(EvidenceKind.VOIDED, transaction="u2"))
        page = family.get(payment)

        assert page.html.h1.get_text() == "Ce paiement a été annulé"
        assert "Vous avez" not in page.html.main.get_text()
        assert "annulé par la régie ou la banque" in family.get("/familles/26719/paiements")

    @pytest.mark.parametrize(
        ("email", "words"), [("regie@ville.example", "Écrivez à regie@ville.example"), ("", "Écrivez au service, ")]
    )
    @pytest.mark.parametrize("name", ["refused", "waiting", "refunded"])
    def test_a_regie_without_a_telephone_is_written_to(self, family, payment, stored, registry, name, email, words):
        tell(stored, registry, payment, *STATES[name][0])
        with stored() as portal:
            for regie in portal["regies"].values():
                contact = replace(regie.description.contact, phones=(), email=email)
                regie.description = replace(regie.description, contact=contact)

        text = re.sub(r"\s+", " ", family.get(payment).html.main.get_text())

        assert words in text
        assert "Appelez" not in text

    def test_waits_and_polls_while_the_bank_has_not_answered(self, family, payment):
        page = family.get(payment).html

        assert page.find(id="suivi")["data-poll"].endswith(payment + "etat")

    def test_polls_no_more_afterwards(self, family, payment, stored, registry):
        tell(stored, registry, payment, evidence(EvidenceKind.REFUSED))

        assert not family.get(payment).html.find(id="suivi").has_attr("data-poll")

    def test_a_refusal_offers_to_try_again_with_the_same_invoices(self, family, payment, stored, registry):
        tell(stored, registry, payment, evidence(EvidenceKind.REFUSED))

        page = family.get(payment).forms[1].submit()

        assert "FACTURATION CANTINES OCTO" in page

    def test_reading_any_of_its_pages_changes_nothing(self, family, payment, registry):
        storage = registry._zodb_databases[""].storage
        before = storage.lastTransaction()
        for view in ("", "etat", "continuer", "retour", "recu.pdf"):
            family.get(payment + view, status="*")

        assert storage.lastTransaction() == before


class TestReceipts:
    def test_is_a_pdf_that_says_the_amount(self, family, payment, stored, registry):
        tell(stored, registry, payment, evidence(EvidenceKind.AUTHORISED))

        answer = family.get(payment + "recu.pdf")

        assert answer.content_type == "application/pdf"
        assert answer.body.startswith(b"%PDF-")
        assert "recu-2026-SCO-000001.pdf" in answer.headers["Content-Disposition"]
        assert answer.headers["Cache-Control"] == "no-store"

    def test_there_is_none_before_the_money(self, family, payment):
        family.get(payment + "recu.pdf", status=404)

    @pytest.mark.parametrize("number", ["2026-SCO-000002", "x/y"])
    def test_there_is_none_of_another_number(self, family, payment, stored, registry, number):
        tell(stored, registry, payment, evidence(EvidenceKind.AUTHORISED))

        family.get(f"{payment}recu.pdf/{number}", status=404)


class TestWhatWentBackOrIsMissing:
    """After a refund, an impayé or too small a sum, the page leads to paying what is left."""

    @pytest.mark.parametrize(
        ("messages", "left"),
        [
            ([evidence(EvidenceKind.AUTHORISED, 2500)], "35,00"),
            ([evidence(EvidenceKind.AUTHORISED), evidence(EvidenceKind.CREDIT, 1500, transaction="u2")], "15,00"),
            ([evidence(EvidenceKind.AUTHORISED), evidence(EvidenceKind.CHARGEBACK)], "60,00"),
        ],
        ids=["too little", "given back in part", "charged back"],
    )
    def test_what_is_left_is_shown_and_one_button_leads_to_paying_it(
        self, family, payment, stored, registry, messages, left
    ):
        tell(stored, registry, payment, *messages)

        page = family.get(payment).html
        section = page.find(attrs={"aria-labelledby": "h-encore"}) or page.find(attrs={"aria-labelledby": "h-rendu"})

        assert left in section.get_text()
        form = section.find("form")
        assert form["action"].endswith("/comptes/scolaire/payer")
        assert [each["value"] for each in form.find_all("input")] == ["2026-9161"]
        assert left in review(family)

    def test_what_is_paid_whole_asks_for_nothing(self, family, payment, stored, registry):
        tell(stored, registry, payment, evidence(EvidenceKind.AUTHORISED))

        assert family.get(payment).html.find(attrs={"aria-labelledby": "h-encore"}) is None

    def test_each_state_has_a_word_of_its_own_in_the_list(self, family, stored, registry, payment):
        tell(stored, registry, payment, evidence(EvidenceKind.AUTHORISED), evidence(EvidenceKind.CHARGEBACK))

        assert "repris par votre banque" in family.get("/familles/26719/paiements")

    def test_a_long_verification_says_that_staff_know(self, family, stored, payment, registry):
        tell(stored, registry, payment, evidence(EvidenceKind.PENDING))
        with stored() as portal:
            portal["paiements"][payment.split("/")[2]].long_pending = True

        assert "La régie est prévenue et suit ce paiement" in family.get(payment)

    @pytest.mark.parametrize(
        ("messages", "is_final"),
        [([], False), ([evidence(EvidenceKind.PENDING)], False), ([evidence(EvidenceKind.AUTHORISED)], True)],
    )
    def test_the_page_asks_again_until_the_end(self, family, stored, registry, payment, messages, is_final):
        tell(stored, registry, payment, *messages)

        page = family.get(payment).html

        assert page.find(attrs={"data-state": True}).has_attr("data-final") is is_final
        assert page.find(id="suivi").has_attr("data-poll") is not is_final


class TestThePaymentsOfAFamily:
    def test_are_listed_the_newest_first(self, family, payment, stored, registry):
        tell(stored, registry, payment, evidence(EvidenceKind.REFUSED))
        with stored() as portal:
            second = opened(portal, registry).reference

        page = family.get("/familles/26719/paiements").text

        assert page.index(second) < page.index(payment.split("/")[2])

    def test_none_says_so(self, family):
        assert "Aucun paiement pour l’instant" in family.get("/familles/26719/paiements")

    @pytest.mark.parametrize("page", ["0", "2", "x", "-1", "1e9", "٣"])
    def test_a_page_that_does_not_exist_is_not_found(self, family, page):
        family.get("/familles/26719/paiements", {"page": page}, status=404)

    def test_the_home_shows_what_is_under_way_and_the_last_receipt(self, family, payment, stored, registry):
        page = family.get("/familles/26719/").text
        assert page.count("Paiement en cours") == page.count("Ne payez pas une seconde fois") == 1

        tell(stored, registry, payment, evidence(EvidenceKind.AUTHORISED))

        page = family.get("/familles/26719/")
        assert "Dernier paiement" in page
        assert "Paiement en cours" not in page

    def test_the_home_names_what_took_money_and_says_what_went_back(self, family, stored, registry):
        with stored() as portal:
            address = f"/paiements/{opened(portal, registry, '2026-9161', '2026-9174').reference}/"
        messages = evidence(EvidenceKind.AUTHORISED, 6000), evidence(EvidenceKind.CREDIT, 2000, transaction="u2")
        tell(stored, registry, address, *messages)

        said = family.get("/familles/26719/").html.find(attrs={"aria-labelledby": "h-dernier"}).get_text()

        assert "FACTURATION CANTINES OCTO" in said
        assert "GARDERIES" not in said
        assert "60,00\xa0€" in said
        assert "Dont 20,00\xa0€ rendus." in said


class TestAnotherFamily:
    @pytest.fixture
    def other(self, browser):
        sign_in(browser, OTHER)
        return browser

    @pytest.mark.parametrize("view", ["", "etat", "continuer", "retour", "recu.pdf"])
    def test_sees_of_a_payment_what_it_sees_of_nothing(self, other, payment, view):
        nothing = other.get("/paiements/P-22222222X/" + view, status=404)

        assert other.get(payment + view, status=404).body == nothing.body

    def test_cannot_pay_the_invoices(self, other, stored):
        other.get(ACCOUNT + "payer?facture=2026-9161", status=404)

        token = re.search(r'name="csrf_token" value="([^"]+)"', other.get("/familles/31415/").text)[1]
        other.post(ACCOUNT + "payer", {"facture": "2026-9161", "csrf_token": token}, status=404)
        assert payments_of(stored) == {}

    def test_cannot_list_the_payments(self, other):
        other.get("/familles/26719/paiements", status=404)


@pytest.mark.parametrize(
    "path", ["/paiements/P-22222222X/", "/paiements/", "/paiements/x/recu.pdf", "/familles/26719/paiements"]
)
def test_signed_out_everything_leads_to_connexion(browser, payment, path):
    for address in (path, payment):
        assert browser.get(address, status=303).location.startswith("http://localhost/connexion?retour=")
