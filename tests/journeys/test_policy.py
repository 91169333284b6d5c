"""Nothing from outside runs or is fetched: S10 with seeded scripts, I17 with a fresh browser."""

from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page, expect

from tests.journeys.looking import Watch
from tests.journeys.settling import bill, settle
from tests.journeys.town import Town
from tests.journeys.walking import choose, confirm, sign_in

ATTACK = '<script>document.title="pris"</script><img src=x onerror="document.title=\'pris\'">'


def test_a_script_in_a_label_is_shown_and_does_not_run(page: Page, town: Town):
    code = settle(town, "30401", bill(label=ATTACK))
    sign_in(page, town, code)
    name = f"{bill().key}"
    for path in ("", "comptes/scolaire/", f"comptes/scolaire/{name}/"):
        page.goto(f"{town.url}familles/{code}/{path}")
        expect(page.locator("main")).to_contain_text(ATTACK)
        expect(page).not_to_have_title("pris")
    choose(page, town, code)
    expect(page.locator("main")).to_contain_text(ATTACK)
    reference = confirm(page)
    for path in (f"paiements/{reference}/", f"familles/{code}/paiements", f"familles/{code}/"):
        page.goto(f"{town.url}{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page).not_to_have_title("pris")


def test_a_stranger_who_reads_every_public_page_gets_two_cookies_at_most_and_meets_nobody_else(
    contexts: Callable[..., BrowserContext], watches: list[Watch], town: Town
):
    context = contexts()
    page = context.new_page()
    to_read, read = [town.url], set()
    while to_read:
        address = to_read.pop().split("#")[0]
        if address in read or not address.startswith(town.url):
            continue
        read.add(address)
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 200, address
        to_read += page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")

    assert len(read) > 10
    assert len(context.cookies()) <= 2
    assert {urlsplit(address).netloc for address in watches[0].requests} == {urlsplit(town.url).netloc}


def test_the_first_view_of_a_signed_in_page_is_light(page: Page, watches: list[Watch], town: Town):
    bills = [bill(str(9000 + number), 1000 + number) for number in range(30)]
    code = settle(town, "30402", *bills)
    sign_in(page, town, code)

    page.goto(f"{town.url}familles/{code}/comptes/scolaire/", wait_until="networkidle")

    entries = "['navigation', 'resource'].flatMap(kind => performance.getEntriesByType(kind))"
    sizes = page.evaluate(f"{entries}.map(each => each.decodedBodySize)")
    assert len(sizes) <= 10
    assert sum(sizes) <= 150_000
