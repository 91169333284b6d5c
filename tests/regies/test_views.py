"""Accounts and invoices, as a family sees them."""

import re
from datetime import timedelta

import pytest

from sevres_familles.domain.invoice import BillingFigures, BillingState, InvoiceLine
from sevres_familles.domain.ledger import Draft, EntryKind, LedgerAccount
from sevres_familles.domain.money import Money, total
from sevres_familles.regies.resources import Invoice
from tests import factories
from tests.conftest import NOW
from tests.identity.helpers import give_password, sign_in

TODAY = NOW.date()
HOME = "/familles/26719/"
ACCOUNTS = HOME + "comptes/"
ACCOUNT = ACCOUNTS + "scolaire/"


@pytest.fixture(autouse=True)
def _family(stored, registry):
    with stored() as portal:
        factories.store_family(portal)
        give_password(portal, registry)


@pytest.fixture
def family(browser):
    """A browser in which the DUPOND family is signed in."""
    sign_in(browser)
    return browser


@pytest.fixture
def store(stored):
    """Store an invoice of the DUPOND family, due in some days, and give its name; ``then`` changes it."""

    def store(number="9161", *, due_in=7, lines=None, then=None, regie="scolaire", **options):
        due_on = TODAY + timedelta(days=due_in)
        facts_options = {key: options.pop(key) for key in ("amount", "label", "lot") if key in options}
        facts = factories.facts(number, issued_on=due_on - timedelta(days=27), due_on=due_on, **facts_options)
        if lines:
            facts = facts._replace(lines=lines, total=total(line.amount for line in lines))
        with stored() as portal:
            invoice = factories.store_invoice(portal["familles"]["26719"], facts, regie=regie, **options)
            if then is not None:
                then(invoice)
        return f"2026-{number}"

    return store


def words(element):
    """What an element says, in one line, no-break spaces made plain."""
    return " ".join(element.get_text(" ").split())


def said(answer):
    return words(answer.html.find("main"))


def pay_online(reference="P-7KQ4M2XDN", amount=Money(6000)):
    """Book a payment of ours on an invoice."""

    def then(invoice):
        name = str(invoice.facts.key)
        draft = Draft(NOW, EntryKind.PAYMENT, LedgerAccount.BANK, LedgerAccount.FAMILY, amount, name, reference + " tx")
        invoice.account.book(draft)
        invoice.record_payment(reference, amount)

    return then


def under_way(invoice):
    invoice.open_payment, invoice.open_since = "P-7KQ4M2XDN", NOW - timedelta(minutes=14)


def asked_more(invoice):
    invoice.stage(invoice.account.lots.published, BillingFigures(Money(6500), BillingState.DUE))


def import_balance(stored, cents, *, regie="scolaire"):
    with stored() as portal:
        family = portal["familles"]["26719"]
        lot = family.lots.give()
        family["comptes"][regie].stage_balance(lot, Money(cents), TODAY - timedelta(days=3))
        family.lots.publish(lot)


class TestDue:
    """The plate of the home page."""

    def plate(self, family):
        return family.get(HOME).html.find(class_="plate")

    def test_says_what_is_due_and_leads_to_paying_it_all(self, family, store):
        store("9161")
        store("9203", due_in=-8, amount=Money(7650), label="FACTURATION CENTRES TOUSSAINT")

        plate = self.plate(family)

        assert "À payer maintenant 136,50 € Régie scolaire et périscolaire, 2 factures" in words(plate)
        assert plate.find(class_="pay")["href"] == ACCOUNT + "?facture=2026-9203&facture=2026-9161"
        assert words(plate.find(class_="pay")) == "Payer mes factures"
        rows = [words(row) for row in plate.find_all("li")]
        assert rows == [
            "FACTURATION CENTRES TOUSSAINT en retard 76,50 €",
            "FACTURATION CANTINES OCTO avant le 30 novembre 60,00 €",
        ]

    def test_its_button_ticks_the_invoices_where_it_leads(self, family, store):
        store("9161")
        store("9203")
        store("9174", remaining=Money(0))

        page = family.get(self.plate(family).find(class_="pay")["href"])

        assert sorted(ticked(page)) == ["2026-9161", "2026-9203"]

    def test_names_a_few_invoices_and_counts_the_others(self, family, store):
        for number in range(6):
            store(str(number))

        rows = [words(row) for row in self.plate(family).find_all("li")]

        assert len(rows) == 5
        assert rows[-1] == "et 2 autres factures"

    def test_each_regie_has_its_own_way_to_pay_and_the_most_urgent_the_thread(self, family, store):
        store("1", due_in=20, regie="petite-enfance", amount=Money(145000))
        store("2", due_in=2)

        plate = self.plate(family)

        assert "À payer maintenant 1 510,00 € Chaque régie se paie séparément." in words(plate)
        assert [words(button) for button in plate.find_all(class_="btn")] == [
            "Payer 60,00 € à la Régie scolaire et périscolaire",
            "Payer 1 450,00 € à la Régie petite enfance",
        ]
        assert len(plate.find_all(class_="pay")) == 1
        assert plate.find(class_="pay")["href"].startswith(ACCOUNT)

    def test_is_calm_when_nothing_is_due(self, family, store, stored):
        store(remaining=Money(0))
        import_balance(stored, 0)

        plate = self.plate(family)

        assert words(plate).startswith("Rien à payer Vous n’avez aucune facture à payer en ligne.")
        assert "Situation calculée le 20 novembre." in words(plate)
        assert plate.find(class_="pay") is None
        assert plate.find(class_="btn")["href"] == ACCOUNTS

    def test_is_calm_for_a_family_that_was_never_invoiced(self, family):
        plate = self.plate(family)

        assert "Rien à payer" in words(plate)
        assert plate.find("a") is None

    def test_says_a_credit_in_words(self, family, store):
        store(remaining=Money(0), amount=Money(1200), then=pay_online(amount=Money(1200)), regie="beauregard")

        assert "12,00 € d’avoir en votre faveur Régie halte-garderie Beauregard" in words(self.plate(family))

    def test_does_not_hide_what_the_treasury_asks_for(self, family, store):
        store(state=BillingState.SENT_TO_TREASURY)

        assert "1 facture transmise au Trésor public" in words(self.plate(family))

    def test_leaves_a_payment_under_way_to_its_own_card(self, family, store):
        store(then=under_way)

        said = words(self.plate(family))
        assert said.startswith("Rien d’autre à payer Vous n’avez aucune autre facture à payer en ligne.")
        assert "Ne payez pas" not in said

    def test_says_what_of_a_balance_is_paid_to_the_treasury(self, family, store):
        store(state=BillingState.SENT_TO_TREASURY)

        assert "dont 60,00 € au Trésor public" in words(family.get(ACCOUNTS).html.find("tbody"))


class TestAccounts:
    def rows(self, page):
        return [words(row) for row in page.html.find("tbody").find_all("tr")]

    @pytest.mark.parametrize("address", [ACCOUNTS, HOME + "dossier"])
    def test_are_shown_with_the_words_of_2009(self, family, store, stored, address):
        store()
        import_balance(stored, 6000)

        page = family.get(address)

        assert (
            "Sélectionnez une prestation en cliquant sur l’un des comptes ci-dessous "
            "Cliquez sur le bouton « Accéder aux factures » pour visualiser et payer vos factures "
            "Sélectionnez la facture, le montant apparaît "
            "Cliquez sur le bouton « Payer par carte bancaire »"
        ) in said(page)
        assert [words(th) for th in page.html.thead.find_all("th")] == [
            "Compte famille", "Date du calcul", "État", "Solde"
        ]  # fmt: skip
        assert self.rows(page) == [
            "Choisir Régie scolaire et périscolaire Régie scolaire et périscolaire "
            "Cantines, Garderies, Centre de loisirs Calculé le 20/11/2026 1 à payer "
            "60,00 € à payer"
        ]
        assert "1/1 service" in said(page)

    def test_the_balance_is_the_ledgers_beside_the_imported_one(self, family, store, stored):
        store(then=pay_online(amount=Money(2000)))
        import_balance(stored, 6000)

        (row,) = self.rows(family.get(ACCOUNTS))

        assert "40,00 € à payer calculé le 20/11/2026 : 60,00 € à payer" in row

    def test_a_credit_is_said_in_words_without_a_sign(self, family, store, stored):
        store(remaining=Money(0), then=pay_online())
        import_balance(stored, -6000)

        (row,) = self.rows(family.get(ACCOUNTS))

        assert "60,00 € d’avoir en votre faveur" in row
        assert "-" not in row

    def test_an_account_in_order_and_never_computed_says_so(self, family, store):
        store(remaining=Money(0))

        (row,) = self.rows(family.get(ACCOUNTS))

        assert row.endswith("Pas encore calculé à jour à jour")

    @pytest.mark.parametrize(
        ("options", "state"),
        [
            ({"due_in": -8}, "1 en retard"),
            ({"remaining": Money(1)}, "1 à payer"),
            ({"then": under_way}, "paiement en cours"),
            ({"state": BillingState.SENT_TO_TREASURY}, "transmise au Trésor"),
            ({"state": BillingState.CANCELLED}, "à jour"),
        ],
    )
    def test_the_state_says_what_presses_most(self, family, store, options, state):
        store(**options)

        assert words(family.get(ACCOUNTS).html.find(class_="badge")) == state

    def test_the_button_leads_to_the_account_that_is_chosen(self, family, store):
        store("1", due_in=1)
        store("2", regie="beauregard")
        form = family.get(ACCOUNTS).forms["comptes"]
        assert form["compte"].value == "scolaire"

        form["compte"] = "beauregard"
        answer = form.submit()

        assert answer.location == "http://localhost/familles/26719/comptes/beauregard/"

    def test_without_a_choice_the_button_leads_back(self, family, store):
        store()

        assert family.get(ACCOUNTS + "factures").location == "http://localhost" + ACCOUNTS

    @pytest.mark.parametrize("name", ["inconnu", "../31415", ""])
    def test_an_account_that_is_not_there_does_not_exist(self, family, store, name):
        store()

        family.get(ACCOUNTS + "factures", {"compte": name}, status=404)

    def test_a_family_without_accounts_is_told_so(self, family):
        page = family.get(ACCOUNTS)

        assert "Vous n’avez pas encore de compte" in said(page)
        assert page.html.find("table") is None

    def test_a_page_that_is_not_there_does_not_exist(self, family, store):
        store()

        family.get(ACCOUNTS + "?page=2", status=404)


def ticked(page):
    return [box["value"] for box in page.html.find_all("input", type="checkbox") if box.has_attr("checked")]


def row(page, name):
    """The row of an invoice."""
    return page.html.find("a", class_="name", href=f"{ACCOUNT}{name}/").find_parent("tr")


class TestInvoices:
    def test_show_what_it_is_since_when_its_state_and_amount(self, family, store):
        name = store()

        page = family.get(ACCOUNT)

        assert words(row(page, name)) == (
            "Choisir FACTURATION CANTINES OCTO, 60,00 € FACTURATION CANTINES OCTO réf. CANTINES-9161-26719 "
            "Détail de FACTURATION CANTINES OCTO Léa, Cantine : 1 × 60,00 € = 60,00 € "
            "Émise le 03/11/2026 à payer avant le 30/11/2026 à payer 60,00 €"
        )

    def test_stand_in_their_place_of_the_tree(self, family, store):
        store()

        crumbs = family.get(ACCOUNT).html.find(attrs={"aria-label": "Fil d’Ariane"})

        assert words(crumbs) == "Accueil Vos comptes Vos factures"
        assert [a["href"] for a in crumbs.find_all("a")] == [HOME, ACCOUNTS]

    def test_what_is_partly_paid_shows_what_is_left_and_the_total(self, family, store):
        name = store(remaining=Money(2500))

        found = row(family.get(ACCOUNT), name)

        assert words(found.find(class_="state")) == "partiellement payée"
        assert words(found.find_all("td")[-1]) == "25,00 € sur 60,00 €"

    @pytest.mark.parametrize(
        ("options", "state", "why"),
        [
            (
                {"then": under_way},
                "paiement en cours",
                "Un paiement est déjà en cours. Il a commencé aujourd’hui à 15:21. Ne payez pas une seconde fois. "
                "Suivre ce paiement",
            ),
            (
                {"state": BillingState.SENT_TO_TREASURY},
                "transmise au Trésor",
                "Cette facture ne se paie plus ici. Elle est suivie par le Trésor public. Réglez-la avec l’avis reçu "
                "par courrier : il dit à qui payer et qui appeler. Que faire ?",
            ),
            (
                {"state": BillingState.CANCELLED},
                "annulée",
                "Vous n’avez rien à payer. La régie a annulé cette facture.",
            ),
            (
                {"remaining": Money(-1200)},
                "payée",
                "12,00 € d’avoir en votre faveur. Vous avez payé plus que le montant dû. "
                "Demandez à la régie comment l’utiliser.",
            ),
        ],
    )
    @pytest.mark.parametrize("address", [ACCOUNT, ACCOUNT + "2026-9161/"])
    def test_what_cannot_be_paid_says_why_and_what_to_do(self, family, store, address, options, state, why):
        store(**options)

        page = family.get(address)

        assert words(page.html.find("main").find(class_="badge")) == state
        assert words(page.html.find(class_="why")) == why
        assert page.html.find(class_="pay") is None
        assert ticked(page) == []

    def test_an_invoice_being_paid_leads_to_its_payment(self, family, store):
        store(then=under_way)

        assert family.get(ACCOUNT).html.find(class_="why").a["href"] == "/paiements/P-7KQ4M2XDN"

    def test_an_invoice_that_was_paid_here_leads_to_its_receipt(self, family, store):
        name = store(then=pay_online())

        found = row(family.get(ACCOUNT), name)

        assert found.find("a", href="/paiements/P-7KQ4M2XDN").get_text() == "Reçu de FACTURATION CANTINES OCTO"
        assert "à payer avant" not in words(found)

    def test_an_invoice_whose_payment_was_given_back_has_no_receipt_to_show(self, family, store):
        def paid_and_refunded(invoice):
            pay_online()(invoice)
            invoice.record_payment("P-7KQ4M2XDN", Money(-6000))

        name = store(then=paid_and_refunded, remaining=Money(0))

        assert row(family.get(ACCOUNT), name).find("a", href=re.compile("/paiements/")) is None

    def test_lines_to_take_off_are_said_in_words_and_deductible_ones_marked(self, family, store):
        store(lines=LINES)

        page = family.get(ACCOUNT)

        assert [words(line) for line in page.html.find("details").find_all("li")] == [
            "Léa, Cantine : 10 × 3,60 € = 36,00 €",
            "Hugo, Crèche : 7,5 × 4,00 € = 30,00 € (déductible)",
            "Repas décomptés : 2 × 3,00 € = 6,00 € à déduire",
        ]

    def test_what_the_billing_file_wrote_is_text(self, family, store):
        nasty = '<img src=x onerror="alert(1)">&'
        store(label=nasty, lot=nasty, lines=(LINES[0]._replace(child=nasty, activity=nasty, quantity=nasty),))

        for address in (ACCOUNT, ACCOUNT + "2026-9161/", HOME):
            assert "<img src=x" not in family.get(address).text

    def test_the_responsables_are_folded_beneath(self, family, store):
        store()

        folded = family.get(ACCOUNT).html.find("details", class_="card")

        assert not folded.has_attr("open")
        assert "Responsable 1 Nom DUPOND Civilité Monsieur" in words(folded)

    def test_the_page_says_when_there_is_none(self, family, stored):
        with stored() as portal:
            home = portal["familles"]["26719"]
            home["comptes"].open(portal["regies"]["scolaire"], home.lots.published, home.lots)

        page = family.get(ACCOUNT)

        assert "Vous n’avez aucune facture pour l’instant" in said(page)
        assert "choix" not in page.forms


class TestChoice:
    def test_one_invoice_to_pay_is_ticked(self, family, store):
        store()
        store("8860", remaining=Money(0))

        page = family.get(ACCOUNT)

        assert ticked(page) == ["2026-9161"]
        assert words(page.html.find(class_="paybar")).startswith("Montant du règlement 60,00 € 1 facture choisie")

    def test_of_several_none_is_until_the_family_chooses(self, family, store):
        store()
        store("9174")

        page = family.get(ACCOUNT)

        assert ticked(page) == []
        assert "0,00 € Aucune facture choisie" in words(page.html.find(class_="paybar"))

    def test_the_address_ticks_what_it_names_and_can_be_paid(self, family, store):
        store()
        store("9174", amount=Money(4280))
        store("9175", amount=Money(1))
        store("8860", remaining=Money(0))

        page = family.get(ACCOUNT, [("facture", name) for name in ("2026-9161", "2026-9174", "2026-8860", "x")])

        assert sorted(ticked(page)) == ["2026-9161", "2026-9174"]
        assert "102,80 € 2 factures choisies" in words(page.html.find(class_="paybar"))

    def test_the_button_leads_to_the_review_and_writes_nothing(self, family, store):
        store()
        store("9174")
        form = family.get(ACCOUNT).forms["choix"]
        assert form.method == "get"
        assert words(family.get(ACCOUNT).html.find("button", class_="pay")) == "Payer par carte bancaire"

        for box in form.fields["facture"]:
            box.checked = True
        review = form.submit()

        assert review.request.path == ACCOUNT + "payer"
        assert "120,00 €" in said(review)

    def test_nothing_is_asked_for_when_nothing_can_be_paid(self, family, store):
        store(remaining=Money(0))

        page = family.get(ACCOUNT)

        assert page.html.find(class_="paybar") is None
        assert page.html.find(class_="stepper") is None


class TestPages:
    @pytest.fixture
    def many(self, store):
        """27 invoices to pay, numbers 100 to 126 in the order of their deadlines."""
        for place in range(27):
            store(str(100 + place), due_in=1 + place, amount=Money(100 + place))

    def names(self, page):
        return [box["value"] for box in page.html.find_all("input", type="checkbox")]

    def test_hold_24_invoices_the_most_urgent_first(self, family, many):
        first = family.get(ACCOUNT)

        assert self.names(first) == [f"2026-{number}" for number in range(100, 124)]
        assert "Factures 1 à 24 sur 27" in said(first)

    def test_the_choice_is_kept_from_one_to_another(self, family, many):
        first = family.get(ACCOUNT)
        form = first.forms["choix"]
        form.fields["facture"][0].checked = True

        # WebTest does not know formaction.
        button = first.html.find("button", attrs={"name": "page"})
        second = family.get(button["formaction"], form.submit_fields("page", submit_value=button["value"]))

        assert self.names(second) == ["2026-124", "2026-125", "2026-126"]
        assert "1,00 € 1 facture choisie , dont 1 sur une autre page" in words(second.html.find(class_="paybar"))
        review = family.get(ACCOUNT + "payer", [*second.forms["choix"].submit_fields(), ("facture", "2026-126")])
        assert "2,26 €" in said(review)

    def test_the_first_submit_button_pays_so_that_the_enter_key_does(self, family, many):
        second = family.get(ACCOUNT + "?page=2&facture=2026-100")

        assert "pay" in second.html.find("form", id="choix").find("button")["class"]

    @pytest.mark.parametrize("page", ["0", "3", "-1", "deux"])
    def test_past_the_end_do_not_exist(self, family, many, page):
        family.get(ACCOUNT, {"page": page}, status=404)

    def test_a_page_of_paid_invoices_asks_for_nothing(self, family, store):
        for place in range(25):
            store(str(100 + place), due_in=-30 - place, remaining=Money(0))
        store("9161")

        second = family.get(ACCOUNT + "?page=2")

        assert second.html.find(class_="paybar") is None


LINES = (
    InvoiceLine("Léa", "Cantine", "10", Money(360), Money(3600), deductible=False),
    InvoiceLine("Hugo", "Crèche", "7,5", Money(400), Money(3000), deductible=True),
    InvoiceLine("", "Repas décomptés", "2", Money(300), Money(-600), deductible=False),
)


CREDIT = (InvoiceLine("Anh", "Repas non pris", "-10", Money(375), Money(-3750), deductible=False),)


class TestInvoice:
    def test_shows_what_is_left_its_deadline_and_one_button(self, family, store):
        name = store()

        page = family.get(ACCOUNT + name + "/")

        plate = page.html.find(class_="plate")
        assert "Reste à payer 60,00 € à payer À payer avant le lundi 30 novembre 2026." in words(plate)
        assert [(words(a), a["href"]) for a in page.html.find_all(class_="btn")] == [
            ("Payer par carte bancaire", ACCOUNT + "payer?facture=2026-9161")
        ]

    def test_its_button_leads_to_the_review(self, family, store):
        name = store()

        review = family.get(ACCOUNT + name + "/").click("Payer par carte bancaire")

        assert "60,00 €" in said(review)

    def test_a_late_one_says_since_when(self, family, store):
        name = store(due_in=-8)

        assert "Vous deviez la payer avant le dimanche 15 novembre 2026." in said(family.get(ACCOUNT + name + "/"))

    def test_shows_its_lines_and_sums(self, family, store):
        name = store(lines=LINES, remaining=Money(2500))

        page = family.get(ACCOUNT + name + "/")

        assert [words(line) for line in page.html.tbody.find_all("tr")] == [
            "Léa Cantine 10 × 3,60 € 36,00 €",
            "Hugo Crèche Déductible 7,5 × 4,00 € 30,00 €",
            "Repas décomptés 2 × 3,00 € 6,00 € à déduire",
        ]
        assert words(page.html.find(class_="bill")) == "Total 60,00 € Déjà réglé 35,00 € Reste à payer 25,00 €"
        assert "Déductible : cette ligne compte dans vos frais de garde" in said(page)

    def test_without_deductible_lines_says_nothing_of_taxes(self, family, store):
        assert "éductible" not in said(family.get(ACCOUNT + store() + "/"))

    @pytest.mark.parametrize(
        ("options", "sums"),
        [
            ({"remaining": Money(0)}, "Total 60,00 € Déjà réglé 60,00 € Reste à payer 0,00 €"),
            ({"remaining": Money(-1200)}, "Total 60,00 € Déjà réglé 72,00 € Avoir en votre faveur 12,00 €"),
            ({"then": asked_more}, "Total 60,00 € Ajouté depuis 5,00 € Reste à payer 65,00 €"),
            ({"state": BillingState.CANCELLED}, "Total 60,00 €"),
        ],
    )
    def test_its_sums_add_up(self, family, store, options, sums):
        page = family.get(ACCOUNT + store(**options) + "/")

        assert words(page.html.find(class_="bill")) == sums

    def test_says_its_reference_its_regie_and_whom_to_ask(self, family, store):
        said_there = said(family.get(ACCOUNT + store() + "/"))

        for each in (
            "Régie scolaire et périscolaire",
            "Référence CANTINES-9161-26719 Numéro 9161 Exercice 2026 Période Octobre 2026",
            "Service des Affaires Scolaires et de l’Animation Périscolaire 54 Grande Rue, 92310 Sèvres",
            "01 41 14 11 23 ou 01 41 14 11 29",
        ):
            assert each in said_there

    def test_tells_what_happened_and_what_is_to_come(self, family, store):
        name = store(then=pay_online(amount=Money(1000)))

        page = family.get(ACCOUNT + name + "/")

        assert [words(step) for step in page.html.find(class_="time").find_all("li")] == [
            "Facture émise Mardi 3 novembre 2026",
            "Payée par carte bancaire : 10,00 € Lundi 23 novembre 2026",
            "À payer avant le Lundi 30 novembre 2026",
        ]
        assert page.html.find(class_="time").a["href"] == "/paiements/P-7KQ4M2XDN"
        assert page.html.find(class_="yet") is not None

    def test_tells_the_steps_of_a_late_one_in_the_order_of_their_days(self, family, store):
        name = store(due_in=-8, then=pay_online(amount=Money(1000)))

        steps = family.get(ACCOUNT + name + "/").html.find(class_="time").find_all("li")

        assert [words(step).split(" ")[0] for step in steps] == ["Facture", "À", "Payée"]

    def test_a_paid_one_has_no_deadline_to_come(self, family, store):
        page = family.get(ACCOUNT + store(then=pay_online()) + "/")

        assert page.html.find(class_="yet") is None
        assert words(page.html.find("main").find(class_="badge")) == "payée"

    @pytest.mark.parametrize("address", [ACCOUNT, ACCOUNT + "2026-9161/"])
    def test_a_credit_note_is_no_invoice_to_pay(self, family, store, address):
        store(lines=CREDIT, label="AVOIR CANTINES OCTO")

        page = family.get(address)

        assert words(page.html.find("main").find(class_="badge")) == "avoir"
        assert words(page.html.find(class_="why")) == (
            "37,50 € d’avoir en votre faveur. Demandez à la régie comment l’utiliser."
        )
        assert "10 × 3,75 €" in said(page)
        assert "37,50 € à déduire" in said(page)
        for wrong in ("-10", "-37", "À payer avant", "à payer avant", "plus que le montant dû", "payée"):
            assert wrong not in said(page)

    def test_a_credit_note_is_named_so_everywhere_on_its_page(self, family, store):
        page = family.get(ACCOUNT + store(lines=CREDIT, label="AVOIR CANTINES OCTO") + "/")

        for right in ("Détail de l’avoir", "Votre avoir", "Avoir en PDF", "Avoir émis", "Une question sur cet avoir"):
            assert right in said(page)

    def test_a_credit_note_of_which_nothing_is_left_says_so(self, family, store):
        page = family.get(ACCOUNT + store(lines=CREDIT, remaining=Money(0)) + "/")

        assert words(page.html.find(class_="why")) == "Il ne reste rien de cet avoir. Vous n’avez rien à payer."

    def test_its_breadcrumbs_end_with_its_label(self, family, store):
        page = family.get(ACCOUNT + store() + "/")

        crumbs = page.html.find(attrs={"aria-label": "Fil d’Ariane"})
        assert words(crumbs) == "Accueil Vos comptes Vos factures FACTURATION CANTINES OCTO"

    @pytest.mark.parametrize("name", ["2026-1", "2025-9161", "9161", "@@facts", "facts", "2026-9161/facts"])
    def test_one_that_is_not_there_does_not_exist(self, family, store, name):
        store()

        family.get(f"{ACCOUNT}{name}", status=404)


class TestStaged:
    def test_what_an_import_has_not_published_shows_nowhere(self, family, store, stored):
        store()
        with stored() as portal:
            account = portal["familles"]["26719"]["comptes"]["scolaire"]
            lot = account.lots.give()
            unseen = factories.facts("9999", label="PAS ENCORE")
            account.add_invoice(Invoice(unseen, BillingFigures(Money(6000), BillingState.DUE), lot))

        for address in (HOME, ACCOUNTS, ACCOUNT):
            assert "PAS ENCORE" not in family.get(address).text
        family.get(ACCOUNT + "2026-9999/", status=404)
