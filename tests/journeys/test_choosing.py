"""Choosing invoices in a browser: the sum follows, and the choice is kept from page to page."""

from playwright.sync_api import Page, expect

from tests.journeys.conftest import Visit
from tests.journeys.settling import bill, settle
from tests.journeys.town import Town
from tests.journeys.walking import sign_in


def invoices_of(page: Page, town: Town, code: str) -> Page:
    sign_in(page, town, code)
    page.wait_for_url(f"**/familles/{code}/")
    page.goto(f"{town.url}familles/{code}/comptes/scolaire/")
    return page


def test_the_sum_follows_the_ticks(visit: Visit, town: Town):
    code = settle(town, "30801", bill(), bill("9174", 4280, label="GARDERIE DU SOIR OCTO"))
    page = invoices_of(visit(), town, code)
    bar = page.locator(".paybar")
    expect(bar).to_contain_text("Montant du règlement0,00\xa0€Aucune facture choisie")

    for box in page.get_by_role("checkbox").all():
        box.check()
    expect(bar).to_contain_text("102,80\xa0€2 factures choisies")

    page.get_by_role("checkbox").first.uncheck()
    expect(bar).to_contain_text("1 facture choisie")


def test_a_choice_made_on_one_page_is_paid_with_that_of_another(visit: Visit, town: Town):
    code = settle(town, "30802", *(bill(str(9000 + number), 1000) for number in range(26)))
    page = invoices_of(visit(), town, code)
    page.get_by_role("checkbox").nth(3).check()

    page.get_by_role("button", name="Page suivante").click()
    expect(page.locator(".paybar")).to_contain_text("10,00\xa0€1 facture choisie, dont 1 sur une autre page")
    page.get_by_role("checkbox").last.check()
    expect(page.locator(".paybar")).to_contain_text("20,00\xa0€2 factures choisies")
    page.get_by_role("button", name="Payer par carte bancaire").click()

    expect(page.locator("dd.total")).to_have_text("20,00\xa0€")
    page.go_back()
    expect(page.get_by_role("checkbox").last).to_be_checked()
