"""What the families area announces; `sevres_familles.notifications` tells people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class DeliveryChosen:
    """A family chose how its invoices reach it: on line alone, or on paper again; ``emails`` are to be told."""

    portal: Any
    code: str
    electronic: bool
    emails: tuple[str, ...]
    at: datetime
