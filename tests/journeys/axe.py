"""What axe finds wrong with a page (requirements A4)."""

from collections.abc import Sequence

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

_SCRIPT: str = Axe().axe_script
ALL = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
#: What depends on width and light, and is looked at again where these change.
BY_SIGHT = ("color-contrast", "target-size")


def violations(page: Page, only: Sequence[str] = ALL) -> list[str]:
    """List what is wrong, one line an element: the rule, where, and why.  A clean page gives an empty list.

    :param only: tags or names of rules.
    """
    if not page.evaluate("'axe' in window"):
        page.evaluate(_SCRIPT)
    # WCAG 2.5.8, target-size, is off by default.
    options = {"runOnly": only, "rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
    found = page.evaluate("options => axe.run(options)", options)["violations"]
    return [
        f"{rule['id']} ({rule['impact']}) {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in found
        for node in rule["nodes"]
    ]
