"""The pages in a real browser: the policy lets payers back to the shop, and everyone can use them."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.journeys.axe import ALL, BY_SIGHT, violations
from tests.journeys.browsing import DESK, NARROW, PHONE, browsing, overflow
from tests.sandbox.running import Bank, Mailbox
from tests.sandbox.shop import ACCEPTED, CHALLENGED, REFUSED, STRANDED, VERIFIED, Shop, opened, paid
from tests.sandbox.test_mailbox import mail, send


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture(params=["with scripts", "without scripts"])
def window(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=request.param == "with scripts")
    yield context.new_page()
    context.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


def type_card(window: Page, number: str) -> None:
    window.get_by_label("Saisissez votre numéro de carte").fill(number)
    window.get_by_label("Mois (MM)").fill("12")
    window.get_by_label("Année (AAAA)").fill("2045")
    window.get_by_label("Retournez votre carte").fill("837")
    window.get_by_role("button", name="Valider").click()


def test_pays_and_goes_back_to_the_shop(window: Page, bank: Bank, shop: Shop):
    window.goto(opened(bank, shop.form()))
    type_card(window, ACCEPTED)
    expect(window.get_by_role("heading", name="Votre paiement est accepté")).to_be_visible()

    window.get_by_role("link", name="Retour à la boutique").click()

    expect(window.get_by_role("heading", name="Boutique")).to_be_visible()
    assert "vads_trans_status=AUTHORISED" in shop.visits[0]


def test_answers_the_challenge(window: Page, bank: Bank, shop: Shop):
    window.goto(opened(bank, shop.form()))
    type_card(window, CHALLENGED)

    window.get_by_label("Saisissez le code reçu").fill("123456")
    window.get_by_role("button", name="Confirmer").click()

    expect(window.get_by_role("heading", name="Votre paiement est accepté")).to_be_visible()


def test_posts_the_fields_back_when_the_shop_wants_them_posted(window: Page, bank: Bank, shop: Shop):
    window.goto(opened(bank, shop.form(vads_return_mode="POST")))
    type_card(window, REFUSED)

    with window.expect_request(re.compile("/retour")) as request:
        window.get_by_role("button", name="Retour à la boutique").click()

    assert request.value.method == "POST"
    assert [told["vads_trans_status"] for told in shop.wait_for_messages(2)] == ["REFUSED", "REFUSED"]


def test_cancels_and_goes_back_to_the_shop(window: Page, bank: Bank, shop: Shop):
    window.goto(opened(bank, shop.form()))

    window.get_by_role("button", name="Annuler et revenir à la boutique").click()

    expect(window.get_by_role("heading", name="Boutique")).to_be_visible()
    assert "vads_result=17" in shop.visits[0]


def test_sends_a_notification_again_from_the_merchant_s_page(window: Page, bank: Bank, shop: Shop):
    form = shop.form()
    paid(bank, form, ACCEPTED)
    window.goto(bank.merchant_url)

    section = window.locator(f"[data-order='{form['vads_order_id']}']")
    section.get_by_role("button", name="Envoyer à nouveau la notification").click()

    expect(section.get_by_text("Notification demandée ici")).to_be_visible()
    assert len(shop.heard) == 2


def test_is_open_to_everyone(context: BrowserContext, bank: Bank, mailbox: Mailbox, shop: Shop):
    window = context.new_page()
    faulty = opened(bank, shop.form())
    captured = shop.form()
    paid(bank, captured, ACCEPTED)
    uuid = bank.payment(captured["vads_order_id"]).uuid
    bank.act(uuid, "remettre")
    for _ in range(2):  # two operations of one name
        bank.act(uuid, "rembourser", montant="1,00")
    pages = {
        "home": bank.url,
        "card": opened(bank, shop.form()),
        "challenge": paid(bank, shop.form(), CHALLENGED).location,
        "ticket": paid(bank, shop.form(), ACCEPTED).location,
        "refusal": paid(bank, shop.form(), REFUSED).location,
        "verification": paid(bank, shop.form(), VERIFIED).location,
        "no way back": paid(bank, shop.form(), STRANDED).location,
        "merchant": bank.merchant_url,
        "nowhere": f"{bank.url}/rien",
        "mails": mailbox.url,
        "mail": send(mailbox, mail("everyone@exemple.fr", text="http://localhost/a\n")),
    }

    faults = {name: faults_of(window, address) for name, address in pages.items()}
    window.goto(faulty)
    window.get_by_role("button", name="Valider").click()
    faults["faults"] = faults_of(window)

    assert {name: found for name, found in faults.items() if found} == {}


def faults_of(window: Page, address: str | None = None) -> list[str]:
    """What axe finds on a page, and whether it must be moved sideways, at each width."""
    if address:
        window.goto(address)
    faults = []
    for size, rules in ((DESK, ALL), (PHONE, ALL), (NARROW, BY_SIGHT)):
        window.set_viewport_size(size)
        faults += violations(window, rules)
        if overflow(window) > 0:
            faults.append(f"scrolls sideways at {size['width']} pixels")
    return faults
