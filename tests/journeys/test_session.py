"""A session says that it is about to end, and can be kept (I11, WCAG 2.2.1).  The journeys move the page's clock."""

from playwright.sync_api import Page, expect

from tests.journeys.conftest import Visit
from tests.journeys.looking import faults_of
from tests.journeys.settling import settle
from tests.journeys.town import Town
from tests.journeys.walking import sign_in

#: Of development.ini: 20 minutes, told three minutes before.
NEARLY_OVER, OVER = "17:30", "21:00"


def signed_in(page: Page, town: Town, code: str) -> Page:
    """Sign in under a clock that the journey moves, and have the page's script start."""
    page.clock.install()
    sign_in(page, town, settle(town, code))
    expect(page.get_by_role("heading", name="Rien à payer")).to_be_visible()
    return page


def test_is_kept_by_who_answers_the_warning(visit: Visit, town: Town):
    page = signed_in(visit(), town, "30501")
    warning = page.get_by_role("alert").filter(has_text="Votre session va se terminer")
    expect(warning).to_have_count(0)

    page.clock.fast_forward(NEARLY_OVER)
    expect(warning).to_be_visible()
    faults = faults_of(page, "session-warning")
    with page.expect_response("**/prolonger") as answer:
        page.get_by_role("button", name="Rester connecté").click()

    expect(warning).to_have_count(0)
    expect(page.locator("main")).to_be_focused()
    assert answer.value.status == 204
    assert "session=" in (answer.value.header_value("set-cookie") or "")
    assert faults == []


def test_says_that_it_is_over_and_leads_back(visit: Visit, town: Town):
    page = signed_in(visit(), town, "30502")

    page.clock.fast_forward(OVER)

    expect(page.get_by_role("alert")).to_contain_text("Votre session est terminée")
    assert faults_of(page, "session-over") == []
    link = page.get_by_role("link", name="Me connecter à nouveau")
    assert (link.get_attribute("href") or "").endswith("/connexion?retour=%2Ffamilles%2F30502%2F")


def test_ends_in_every_tab_at_once(visit: Visit, town: Town):
    page = signed_in(visit(), town, "30503")
    other = page.context.new_page()
    other.goto(page.url)

    other.get_by_role("button", name="Déconnexion").click()

    expect(page.get_by_role("alert")).to_contain_text("Vous vous êtes déconnecté dans un autre onglet")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Connexion")
