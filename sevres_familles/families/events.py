"""What the families area announces; `sevres_familles.notifications` tells people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class DeliveryChosen:
    """How a family's invoices reach it from now on: on line alone, or on paper again; ``emails`` are to be told.

    ``by`` is who said so (`families.delivery`).
    """

    portal: Any
    code: str
    electronic: bool
    by: str
    emails: tuple[str, ...]
    at: datetime
