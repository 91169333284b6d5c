"""What machines that watch the portal are told of the billing files."""

from collections.abc import Iterator
from datetime import datetime
from math import inf
from typing import Any

from sevres_familles.regies.exchange.resources import Imports
from sevres_familles.web.root import Portal
from sevres_familles.web.watching import Measure


def measures_of_imports(portal: Portal, registry: Any, now: datetime) -> Iterator[Measure]:
    """Measure how old the billing data are."""
    imports: Imports = portal.stores["imports"]
    seconds = (now - imports.reports[imports.reports.maxKey()].at).total_seconds() if imports.reports else inf
    yield Measure("import_age_seconds", "How long ago billing files were last taken in, in seconds.", seconds)
