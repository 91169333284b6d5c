"""How long accounting pieces are kept (requirements I14): the purge and the imports go by the same term."""

from datetime import datetime

from sevres_familles.domain import french
from sevres_familles.web.settings import Settings


def kept_since(settings: Settings, now: datetime) -> datetime:
    """Compute since when: until so many whole exercices (civil years, in the town's time) are over."""
    begins = french.local(now).replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return begins.replace(year=begins.year - settings.keep_pieces_years)
