"""Every page in every state: axe finds nothing, nothing scrolls sideways, by day and night, with larger text (A4, A5).

The public pages are in `test_public_pages`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from sevres_familles.domain.invoice import BillingState
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import PaymentState
from sevres_familles.families.delivery import choose_delivery
from sevres_familles.identity.services import credentials_of
from tests.factories import store_invoice
from tests.journeys.looking import faults_of
from tests.journeys.settling import bill, depart, email_of, family_in, pay_beside, settle
from tests.journeys.test_first_sign_in import printed_password
from tests.journeys.town import Town
from tests.journeys.walking import choose, confirm, sign_in, type_card
from tests.sandbox.running import wait_until
from tests.sandbox.shop import ACCEPTED, CHALLENGED, REFUSED

#: Families of this module: 30 invoices; every state; nothing due; a credit; three régies.
MANY, STATES, NOTHING, CREDIT, REGIES = "40001", "40002", "40003", "40004", "40005"
#: Invoices of the family with every state.
WAITING, PAID, REFUSED_ONE, LATE, PART, COUNTER, TREASURY, VOID, GIVEN_BACK = map(str, range(9000, 9009))

Contexts = Callable[..., BrowserContext]
Inside = Callable[[str], Page]


@pytest.fixture(scope="module")
def settled(town: Town) -> Town:
    """The town, with families in every state."""
    settle(town, MANY, *(bill(str(9000 + number), 1000 + 7 * number) for number in range(30)))
    settle(town, NOTHING)
    settle(town, REGIES, bill(), bill("9174", 4280, label="GARDERIE DU SOIR OCTO", late=True))
    settle(town, CREDIT)
    settle(town, STATES, *(bill(number) for number in (WAITING, PAID, REFUSED_ONE, GIVEN_BACK)), bill(LATE, late=True))
    with town.store() as (portal, registry):
        for regie in ("petite-enfance", "beauregard"):
            store_invoice(family_in(portal, REGIES), bill(label="ACCUEIL OCTO"), regie=regie)
        store_invoice(family_in(portal, CREDIT), bill("9002", 1500), remaining=Money(-1250))
        for code in (MANY, CREDIT):
            credentials_of(portal, code).email = email_of(code)
        choose_delivery(portal, registry, family_in(portal, CREDIT), electronic=True, at=datetime.now(UTC))
        family = family_in(portal, STATES)
        store_invoice(family, bill(PART), remaining=Money(2000))
        for number, state in (
            (COUNTER, BillingState.PAID_AT_COUNTER),
            (TREASURY, BillingState.SENT_TO_TREASURY),
            (VOID, BillingState.CANCELLED),
        ):
            remaining = Money(6000) if state is BillingState.SENT_TO_TREASURY else ZERO
            store_invoice(family, bill(number), remaining=remaining, state=state)
    return town


@pytest.fixture(scope="module")
def payments(settled: Town) -> dict[str, str]:
    """References of payments, by what became of them."""
    return {
        "waiting": depart(settled, STATES, [named(WAITING)])[0],
        "paid": pay_beside(settled, STATES, ACCEPTED, [named(PAID)]),
        "refused": pay_beside(settled, STATES, REFUSED, [named(REFUSED_ONE)]),
        "refunded": refunded_at_the_bank(settled, pay_beside(settled, STATES, ACCEPTED, [named(GIVEN_BACK)])),
    }


def refunded_at_the_bank(town: Town, reference: str) -> str:
    """Have the régie refund a payment whole at the bank, and give its reference once the portal knows."""
    uuid = town.bank.payment(reference).uuid
    town.bank.act(uuid, "remettre")
    town.bank.act(uuid, "rembourser", montant="60,00")

    def is_known() -> bool:
        with town.store() as (portal, _):
            return len(portal["paiements"][reference].posted) == 2

    wait_until(is_known, "the refund is told")
    return reference


@pytest.fixture(scope="module")
def sessions() -> dict[str, Any]:
    """What the browser of each family keeps, so that it signs in once."""
    return {}


@pytest.fixture
def inside(settled: Town, contexts: Contexts, sessions: dict[str, Any]) -> Inside:
    """Open the window of a family that is signed in."""

    def opened(code: str) -> Page:
        context = contexts(storage_state=sessions.get(code))
        page = context.new_page()
        if code not in sessions:
            sign_in(page, settled, code)
            expect(page.get_by_role("button", name="Déconnexion")).to_be_visible()
            sessions[code] = context.storage_state()
        return page

    return opened


def named(number: str) -> str:
    return str(bill(number).key)


@pytest.mark.parametrize(
    ("name", "code", "path"),
    [
        ("home-due", MANY, ""),
        ("home-states", STATES, ""),
        ("home-nothing", NOTHING, ""),
        ("home-credit", CREDIT, ""),
        ("home-regies", REGIES, ""),
        ("record", MANY, "dossier"),
        ("accounts", REGIES, "comptes/"),
        ("accounts-none", NOTHING, "comptes/"),
        ("accounts-credit", CREDIT, "comptes/"),
        ("invoices-30", MANY, "comptes/scolaire/"),
        ("invoices-30-second-page", MANY, "comptes/scolaire/?page=2"),
        ("invoices-states", STATES, "comptes/scolaire/"),
        ("invoice-due", MANY, f"comptes/scolaire/{named('9003')}/"),
        ("invoice-late", STATES, f"comptes/scolaire/{named(LATE)}/"),
        ("invoice-waiting", STATES, f"comptes/scolaire/{named(WAITING)}/"),
        ("invoice-paid", STATES, f"comptes/scolaire/{named(PAID)}/"),
        ("invoice-part-paid", STATES, f"comptes/scolaire/{named(PART)}/"),
        ("invoice-treasury", STATES, f"comptes/scolaire/{named(TREASURY)}/"),
        ("invoice-void", STATES, f"comptes/scolaire/{named(VOID)}/"),
        ("review", MANY, f"comptes/scolaire/payer?facture={named('9003')}&facture={named('9004')}"),
        ("review-blocked", STATES, f"comptes/scolaire/payer?facture={named(WAITING)}"),
        ("review-not-payable", STATES, f"comptes/scolaire/payer?facture={named(TREASURY)}"),
        ("review-none-chosen", MANY, "comptes/scolaire/?choix=aucun"),
        ("delivery-paper", MANY, "recevoir-vos-factures"),
        ("delivery-on-line", CREDIT, "recevoir-vos-factures"),
        ("delivery-without-email", NOTHING, "recevoir-vos-factures"),
        ("payments", STATES, "paiements"),
        ("payments-none", NOTHING, "paiements"),
        ("nothing-here", MANY, "rien"),
    ],
)
def test_page_of_a_family(inside: Inside, settled: Town, payments: dict[str, str], name: str, code: str, path: str):
    page = inside(code)

    page.goto(f"{settled.url}familles/{code}/{path}")

    assert faults_of(page, f"page-{name}") == []


@pytest.mark.parametrize("kind", ["waiting", "paid", "refused", "refunded"])
def test_page_of_a_payment(inside: Inside, settled: Town, payments: dict[str, str], kind: str):
    page = inside(STATES)

    page.goto(f"{settled.url}paiements/{payments[kind]}/")

    assert faults_of(page, f"page-payment-{kind}") == []


def test_the_way_to_the_bank(inside: Inside, settled: Town, payments: dict[str, str]):
    page = inside(STATES)

    page.goto(f"{settled.url}paiements/{payments['waiting']}/continuer")

    assert faults_of(page, "page-leave") == []


def test_delivery_without_the_box_ticked(inside: Inside, settled: Town):
    page = inside(MANY)
    page.goto(f"{settled.url}familles/{MANY}/recevoir-vos-factures")
    page.get_by_role("button", name="Recevoir mes factures en ligne").click()

    expect(page.locator("#erreurs")).to_be_focused()
    assert faults_of(page, "page-delivery-faults") == []


def test_the_open_sessions(inside: Inside, settled: Town, visit: Callable[..., Page]):
    other = visit()
    sign_in(other, settled, NOTHING)
    expect(other.get_by_role("button", name="Déconnexion")).to_be_visible()
    page = inside(NOTHING)
    page.goto(f"{settled.url}vos-connexions")

    expect(page.get_by_role("heading", name="appareils connectés")).to_be_visible()
    assert faults_of(page, "page-sessions") == []


@pytest.mark.parametrize("path", ["mot-de-passe", "confirmer-mon-e-mail"])
@pytest.mark.parametrize("is_sent", [False, True], ids=["empty", "with faults"])
def test_forms_of_who_is_signed_in(inside: Inside, settled: Town, path: str, is_sent: bool):
    page = inside(NOTHING)
    page.goto(settled.url + path)
    if is_sent:
        page.locator("main form input:not([type=hidden])").last.fill("x")
        page.locator("main form button.btn:not([data-show])").click()
        expect(page.locator("#erreurs")).to_be_focused()

    assert faults_of(page, f"page-{path}{'-faults' if is_sent else ''}") == []


@pytest.mark.parametrize("path", ["connexion", "identifiants-oublies"])
@pytest.mark.parametrize("is_sent", [False, True], ids=["empty", "with faults"])
def test_forms_of_strangers(page: Page, settled: Town, path: str, is_sent: bool):
    page.goto(settled.url + path)
    if is_sent:
        page.locator("main form button.btn:not([data-show])").first.click()
        expect(page.locator("#erreurs")).to_be_focused()

    assert faults_of(page, f"page-{path}{'-faults' if is_sent else ''}") == []


def test_connexion_when_it_was_tried_too_often(page: Page, settled: Town):
    for _ in range(6):
        sign_in(page, settled, "49999", "ce n’est pas le bon")

    expect(page.locator("#erreurs")).to_contain_text("Attendez")
    assert faults_of(page, "page-throttled") == []


def test_identifiers_asked_for(page: Page, settled: Town):
    page.goto(f"{settled.url}identifiants-oublies?demande=envoyee")

    assert faults_of(page, "page-asked") == []


def test_a_dead_link(page: Page, settled: Town):
    page.goto(f"{settled.url}nouveau-mot-de-passe/40003/abc")

    expect(page.get_by_role("heading", level=1)).to_have_text("Ce lien ne marche plus")
    assert faults_of(page, "page-dead-link") == []


def test_the_steps_of_the_first_sign_in(page: Page, settled: Town):
    code = settle(settled, "40006", has_password=False)
    sign_in(page, settled, code, printed_password(settled, code))

    faults = faults_of(page, "page-first-password")
    page.get_by_label("Nouveau mot de passe").fill("orange brouette piano marée")
    page.get_by_label("Le même, une seconde fois").fill("orange brouette piano marée")
    page.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Confirmez votre adresse e-mail")
    faults += faults_of(page, "page-first-email")
    page.get_by_role("button", name="Recevoir le lien").click()
    page.goto(settled.link_mailed(email_of(code), "confirmer-mon-adresse"))
    faults += faults_of(page, "page-email-link")

    assert faults == []


def test_a_form_whose_session_is_gone(page: Page, settled: Town):
    page.goto(f"{settled.url}connexion")
    page.context.clear_cookies()
    page.get_by_label("Code d’accès").fill("40003")
    page.get_by_label("Mot de passe", exact=True).fill("x")
    page.get_by_role("button", name="Connexion").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Cette demande n’a pas pu être lue")
    assert faults_of(page, "page-400") == []


def test_a_payment_cancelled_and_one_expired(inside: Inside, settled: Town):
    code = settle(settled, "40007", bill(), bill("9162"))
    page = inside(code)
    choose(page, settled, code)
    reference = confirm(page)
    page.get_by_role("button", name="Continuer vers la banque").click()
    page.get_by_role("button", name="Annuler et revenir à la boutique").click()
    page.wait_for_url(f"**/paiements/{reference}/")

    faults = faults_of(page, "page-payment-cancelled")
    with settled.store() as (portal, _):
        portal["paiements"][reference].state = PaymentState.EXPIRED
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Le paiement n’a pas abouti")
    faults += faults_of(page, "page-payment-expired")

    assert faults == []


def to_the_bank(page: Page, town: Town, form: dict[str, str]) -> None:
    """Post a form to the bank from a page of the portal."""
    page.goto(f"{town.url}connexion")
    page.evaluate(
        """([action, fields]) => {
          const form = Object.assign(document.createElement('form'), {action, method: 'post'});
          for (const [name, value] of Object.entries(fields))
            form.append(Object.assign(document.createElement('input'), {name, value}));
          document.body.append(form); form.submit();
        }""",
        [town.bank.form_url, form],
    )
    expect(page.get_by_role("heading", name="Paiement sécurisé par carte")).to_be_visible()


def test_pages_of_the_bank(page: Page, settled: Town):
    code = settle(settled, "40008", bill())
    to_the_bank(page, settled, depart(settled, code)[1])
    faults = faults_of(page, "bank-card")
    page.get_by_role("button", name="Valider").click()
    faults += faults_of(page, "bank-card-faults")
    type_card(page, CHALLENGED)
    faults += faults_of(page, "bank-challenge")
    page.get_by_label("Saisissez le code reçu").fill("123456")
    page.get_by_role("button", name="Confirmer").click()
    expect(page.get_by_role("heading", name="Votre paiement est accepté")).to_be_visible()
    faults += faults_of(page, "bank-ticket")
    page.goto(settled.bank.merchant_url)
    faults += faults_of(page, "bank-merchant")

    assert faults == []
