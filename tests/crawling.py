"""Following every link of the portal, as a robot or a very curious family would."""

from collections.abc import Iterable
from urllib.parse import urlencode, urljoin, urlsplit

from webtest import TestApp, TestResponse

HOST = "http://localhost"


def links_of(address: str, page: TestResponse) -> Iterable[str]:
    """Give the addresses that a response leads to by GET, whole: links, forms, files, polls, redirects."""
    if "Location" in page.headers:
        yield urljoin(HOST + address, page.headers["Location"])
    if page.content_type != "text/html":
        return
    html = page.html
    for attribute in ("href", "src", "data-poll"):
        for tag in html.find_all(attrs={attribute: True}):
            yield urljoin(HOST + address, tag[attribute])
    for form in html.find_all("form"):
        if form.get("method", "get").lower() == "get":
            fields = [
                (field["name"], field.get("value", ""))
                for field in form.find_all(["input", "button"])
                if field.get("name") and (field.get("type") != "checkbox" or field.has_attr("checked"))
            ]
            target = urljoin(HOST + address, form.get("action") or "")
            yield target
            yield f"{target.partition('?')[0]}?{urlencode(fields)}"


def crawl(browser: TestApp, *starts: str) -> dict[str, TestResponse]:
    """Ask for every page that can be reached by links, and give the answers by path and query."""
    waiting, pages = list(starts), {}
    while waiting:
        address = waiting.pop()
        if address in pages:
            continue
        pages[address] = page = browser.get(address, expect_errors=True)
        for link in links_of(address, page):
            parts = urlsplit(link)
            if f"{parts.scheme}://{parts.netloc}" == HOST:
                waiting.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    return pages


def outside_links(pages: dict[str, TestResponse]) -> set[str]:
    """Give the addresses elsewhere that pages lead to."""
    links = {link for address, page in pages.items() for link in links_of(address, page)}
    return {link for link in links if not link.startswith(f"{HOST}/") and urlsplit(link).scheme in ("http", "https")}
