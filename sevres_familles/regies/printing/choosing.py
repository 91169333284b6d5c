"""Which invoices a run prints."""

from collections import Counter
from collections.abc import Callable, Container, Iterator
from datetime import date
from typing import Any, NamedTuple

from sevres_familles.domain.invoice import BillingState
from sevres_familles.families.resources import Family
from sevres_familles.regies.printing.resources import Printing
from sevres_familles.regies.resources import FamilyAccount, accounts_of
from sevres_familles.web.root import Portal

#: Families looked at before the objects that were loaded are let go.
_AT_ONCE = 500


class Asked(NamedTuple):
    """What a run is asked for.

    ``issued_on`` is the day of issue, the latest of the lot by default; ``again`` prints what was printed too;
    ``family`` prints for that one alone.
    """

    regie: str
    lot: str
    issued_on: date | None = None
    again: bool = False
    family: str | None = None


class Chosen(NamedTuple):
    """What a run prints: (family code, invoice name) on paper, and those that go on line alone, family by family.

    ``printed`` counts those left out because an earlier run printed them, ``over`` those cancelled or sent to the
    Treasury; ``unprinted`` counts, by other days of issue of the lot, those that no confirmed run holds and that ask
    for money still; ``waiting`` counts, by name of a run that was not confirmed, the invoices that it holds too;
    ``lots`` are all the lots of the régie, for who asks for one that is not there.
    """

    issued_on: date | None
    paper: list[tuple[str, str]]
    electronic: list[tuple[str, str]]
    printed: int
    over: int
    unprinted: dict[date, int]
    waiting: dict[str, int]
    lots: frozenset[str]


def choose(portal: Portal, asked: Asked, today: date, advance: Callable[[int], Any]) -> Chosen:
    """Find what a run prints, by one walk over the families."""
    printing: Printing = portal.stores["printing"]
    printed = printing.printed_of(asked.regie)
    found, latest, unprinted, lots = _find(portal, asked, printed, today, advance)
    new = [each for each in found if asked.again or each.name not in printed]
    kept = [each for each in new if not each.is_over]
    return Chosen(
        issued_on=latest,
        paper=[(each.code, each.name) for each in kept if not each.is_electronic],
        electronic=[(each.code, each.name) for each in kept if each.is_electronic],
        printed=len(found) - len(new),
        over=len(new) - len(kept),
        unprinted={day: count for day, count in sorted(unprinted.items()) if day != latest},
        waiting=_waiting(printing, asked.regie, {each.name for each in kept}),
        lots=frozenset(lots),
    )


class _Found(NamedTuple):
    code: str
    name: str
    is_over: bool
    is_electronic: bool


def _find(
    portal: Portal, asked: Asked, printed: Container[str], today: date, advance: Callable[[int], Any]
) -> tuple[list[_Found], date | None, Counter[date], set[str]]:
    """Find the invoices of a lot: of the day asked for, or of the latest there is; count those that were forgotten."""
    found: list[_Found] = []
    unprinted: Counter[date] = Counter()
    latest, lots = asked.issued_on, set()
    for family, account in _accounts(portal, asked, advance):
        for invoice in account:
            facts = invoice.facts
            lots.add(facts.lot)
            if facts.lot != asked.lot:
                continue
            if invoice.__name__ not in printed and invoice.status(today, lasting=True).payable:
                unprinted[facts.issued_on] += 1
            if asked.issued_on and facts.issued_on != asked.issued_on:
                continue
            if latest is None or facts.issued_on > latest:
                found.clear()
                latest = facts.issued_on
            if facts.issued_on == latest:
                is_over = invoice.figures.state in (BillingState.CANCELLED, BillingState.SENT_TO_TREASURY)
                found.append(_Found(family.code, invoice.__name__ or "", is_over, family.electronic_only))
    return found, latest, unprinted, lots


def _accounts(portal: Portal, asked: Asked, advance: Callable[[int], Any]) -> Iterator[tuple[Family, FamilyAccount]]:
    """Go through the accounts of a régie, in the order of the family codes; memory stays flat."""
    families = portal["familles"]
    codes = [asked.family] if asked.family is not None else list(families)
    for number, code in enumerate(codes, start=1):
        if code in families:
            family = families[code]
            account = next((each for each in accounts_of(family) if each.__name__ == asked.regie), None)
            if account is not None:
                yield family, account
        if number % _AT_ONCE == 0:
            let_go(portal)
            advance(_AT_ONCE)
    advance(len(codes) % _AT_ONCE)


def let_go(portal: Portal) -> None:
    """Let the connection forget objects beyond its cache's size, within a long transaction that only reads."""
    connection: Any = portal._p_jar
    if connection is not None:
        connection.cacheGC()


def _waiting(printing: Printing, regie: str, names: set[str]) -> dict[str, int]:
    counts = {
        name: sum(invoice in names for invoice in run.invoices())
        for name, run in printing.pending()
        if run.regie == regie
    }
    return {name: count for name, count in counts.items() if count}
