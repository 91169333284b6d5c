"""What the régies announce; `sevres_familles.notifications` tells people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sevres_familles.regies.resources import Invoice


@dataclass(frozen=True, kw_only=True)
class InvoicesPublished:
    """Invoices of one family, which wants no paper, may be read on line.

    Announced once for each invoice, in the transaction that notes that it was delivered.
    """

    portal: Any
    invoices: tuple[Invoice, ...]
    at: datetime
