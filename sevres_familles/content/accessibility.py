"""What the law wants said of the portal's accessibility (requirements A3)."""

from datetime import date
from decimal import Decimal

from sevres_familles.domain import french
from sevres_familles.web.settings import Settings

#: An audit older than this says nothing any more.
AUDIT_YEARS = 3
_WHOLE, _HALF = Decimal(100), Decimal(50)
NONE, PARTLY, TOTALLY = "non conforme", "partiellement conforme", "totalement conforme"


def conformity(settings: Settings, today: date) -> str:
    """Say how the portal stands to the RGAA, in one of the law's three phrases.

    Without an audit, with one of more than three years, or under half of the criteria, it is « non conforme ».
    """
    rate = settings.accessibility_rate
    if rate is None or rate < _HALF or not _is_recent(settings.accessibility_audited_on, today):
        return NONE
    return TOTALLY if rate == _WHOLE else PARTLY


def results(settings: Settings, today: date) -> str:
    """Say what the last audit found, if there is one that counts."""
    audited_on, rate = settings.accessibility_audited_on, settings.accessibility_rate
    if audited_on is None or rate is None:
        return "Aucun audit complet n’a encore été réalisé sur ce site. Il est donc déclaré non conforme."
    found = (
        f"L’audit du {french.long_date(audited_on)} a relevé que {_percent(rate)} des critères du RGAA sont respectés."
    )
    if not _is_recent(audited_on, today):
        return f"{found} Il a plus de trois ans\u00a0: le site est déclaré non conforme jusqu’au prochain."
    return found


def _percent(rate: Decimal) -> str:
    return f"{rate.normalize():f}".replace(".", ",") + "\u00a0%"


def _is_recent(audited_on: date | None, today: date) -> bool:
    """Tell whether an audit is at most three years old: on the very day three years later it still counts."""
    if audited_on is None:
        return False
    return (today.year - audited_on.year, today.month, today.day) <= (AUDIT_YEARS, audited_on.month, audited_on.day)
