"""Evolution steps of the content area: the first pages, as the package brings them.

They are files of ``pages/``: ``titre:`` and ``resume:`` lines, ``---``, then HTML.  Once made, a page is the town's.
"""

from datetime import datetime
from importlib.resources import files
from typing import Any

from sevres_familles.content.resources import Folder, Oids, Page, Versioned
from sevres_familles.content.services import publish, save_version
from sevres_familles.web.root import Portal

#: The first pages by path, in their order; a path that others go through is a folder.
FIRST_PAGES = (
    "aide",
    "aide/mode-d-emploi",
    "aide/payer-autrement",
    "aide/contact",
    "accessibilite",
    "donnees-personnelles",
    "mentions-legales",
    "securite",
)


def add_pages(portal: Portal, registry: Any) -> None:
    """Make the first pages."""
    oids = portal.stores["oids"] = Oids()
    at = registry.clock.now()
    for path in FIRST_PAGES:
        where, _, name = path.rpartition("/")
        is_folder = any(each.startswith(f"{path}/") for each in FIRST_PAGES)
        page = (Folder if is_folder else Page)(oids.give())
        (portal[where] if where else portal).add(name, page)
        _write(page, path, at)


def _write(page: Versioned, path: str, at: datetime) -> None:
    """Write a page as its file says."""
    file = files("sevres_familles.content") / "pages" / f"{path.replace('/', '.')}.html"
    head, _, html = file.read_text(encoding="utf-8").partition("\n---\n")
    told = dict(line.split(": ", 1) for line in head.splitlines())
    save_version(
        page,
        title=told["titre"],
        summary=told["resume"],
        html=html,
        author="Espace familles",
        at=at,
        note="Première version",
    )
    publish(page)


STEPS = (add_pages,)
