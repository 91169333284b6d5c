"""Believable exchange files of any size, the same for the same seed.

Rows are written as they are drawn, so that memory does not grow with the town; names come from pools that Faker fills
once, since it draws some thousand a second.
"""

import csv
import random
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import NamedTuple

from faker import Faker

from sevres_familles.domain.french import MONTHS, fold, short_date
from sevres_familles.regies.exchange.kinds import kinds
from sevres_familles.regies.exchange.reading import TOTAL

_POOL = 2_000
#: Codes and numbers that the families of the demonstration do not have.
_FIRST_CODE = 100_000
_FIRST_NUMBER = 100_001


class Activity(NamedTuple):
    """What is invoiced: name, lot, régie, unit price in cents, the quantities, whether it is deductible."""

    name: str
    lot: str
    regie: str
    unit_price: int
    quantities: range
    deductible: bool


ACTIVITIES = (
    Activity("Restauration scolaire", "CANTINES", "scolaire", 375, range(4, 18), deductible=False),
    Activity("Garderie du soir", "GARDERIES", "scolaire", 240, range(2, 18), deductible=True),
    Activity("Centre de loisirs, journée", "LOISIRS", "scolaire", 1180, range(1, 6), deductible=True),
    Activity("Crèche collective, heures", "CRECHES", "petite-enfance", 206, range(40, 180), deductible=True),
    Activity("Accueil ponctuel, heures", "ACCUEIL", "beauregard", 175, range(2, 30), deductible=True),
)
#: Which régies a family has to do with, and how often: most have school-age children.
_REGIES = (("scolaire",), ("petite-enfance",), ("scolaire", "petite-enfance"), ("scolaire", "beauregard"))
_REGIE_WEIGHTS = (70, 12, 10, 8)
#: Words of the exchange format, and how often an invoice is so.
_STATES = ("à payer", "payée au guichet", "transmise au Trésor", "annulée")
_STATE_WEIGHTS = (30, 60, 6, 4)


class Pools(NamedTuple):
    """Names to draw from."""

    last_names: Sequence[str]
    first_names: Sequence[str]
    streets: Sequence[str]

    @classmethod
    def of(cls, seed: int) -> "Pools":
        """Fill the pools by Faker."""
        faker = Faker("fr_FR")
        faker.seed_instance(seed)
        return cls(
            [faker.last_name().upper() for _ in range(_POOL)],
            [faker.first_name() for _ in range(_POOL)],
            [faker.street_name() for _ in range(_POOL // 10)],
        )


class _Sheet:
    """A file being written: its rows are counted and summed for its control total."""

    def __init__(self, stack: ExitStack, folder: Path, name: str) -> None:
        (kind,) = (each for each in kinds(()) if each.name == name)
        file = stack.enter_context((folder / f"{name}.csv").open("w", encoding="utf-8", newline=""))
        self._writer = csv.writer(file, delimiter=";", lineterminator="\n")
        self._writer.writerow([column.name for column in kind.columns])
        self._rows = 0
        self._sums = [0] * len(kind.summed)

    def write(self, row: Iterable[object], *cents: int) -> None:
        """Write a row, whose summed columns hold these sums."""
        self._writer.writerow(row)
        self._rows += 1
        for place, each in enumerate(cents):
            self._sums[place] += each

    def close(self) -> None:
        """Write the control total."""
        self._writer.writerow([TOTAL, self._rows, *map(_euros, self._sums)])


def _euros(cents: int) -> str:
    return f"{cents // 100},{cents % 100:02d}"


def write_town(
    folder: Path, *, families: int, seed: int, today: date, invoices_each: int = 5, lines_each: int = 3
) -> None:
    """Write the five exchange files of a town."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        sheets = {name: _Sheet(stack, folder, name) for name in ("familles", "enfants", "factures", "lignes", "soldes")}
        town = _Town(sheets, today, seed=seed, invoices=invoices_each, lines=lines_each)
        for code in range(_FIRST_CODE, _FIRST_CODE + families):
            town.write_family(str(code))
        for sheet in sheets.values():
            sheet.close()


class _Town:
    def __init__(self, sheets: dict[str, _Sheet], today: date, *, seed: int, invoices: int, lines: int) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - a town drawn again must be the same
        self._pools = Pools.of(seed)
        self._sheets = sheets
        self._invoices = invoices
        self._lines = lines
        self._numbers = count(_FIRST_NUMBER)
        self._months = [_Month.ago(today, months) for months in range(24)]
        self._computed_on = short_date(today)

    def write_family(self, code: str) -> None:
        """Write a family, its children, invoices and balances."""
        draw, pools = self._draw, self._pools
        name = draw.choice(pools.last_names)
        children = [draw.choice(pools.first_names) for _ in range(draw.choice((1, 1, 2, 2, 3)))]
        address = [draw.randint(1, 150), draw.choice(pools.streets), "", "92310", "SEVRES", _phone(draw, "01")]
        first = self._guardian(code, draw.choice(("Madame", "Monsieur")), name, address)
        second = [""] * 13 if draw.random() < 0.2 else self._guardian(code, "Monsieur", name, address)
        self._sheets["familles"].write([code, *first, *second])
        for child in children:
            born = self._months[0].issued_on - timedelta(days=draw.randint(200, 4000))
            self._sheets["enfants"].write([code, child, short_date(born)])
        (regies,) = draw.choices(_REGIES, _REGIE_WEIGHTS)
        activities = [activity for activity in ACTIVITIES if activity.regie in regies]
        left: dict[str, int] = {}
        for place in range(self._invoices):
            month, activity = self._months[place % len(self._months)], draw.choice(activities)
            regie, remaining = self._write_invoice(code, children, month, activity)
            left[regie] = left.get(regie, 0) + remaining
        for regie, cents in left.items():
            self._sheets["soldes"].write([code, regie, _euros(cents), self._computed_on], cents)

    def _guardian(self, code: str, civility: str, name: str, address: list[object]) -> list[object]:
        first_name = self._draw.choice(self._pools.first_names)
        letters = "".join(each for each in fold(f"{first_name}.{name}") if each.isalnum() or each == ".")
        mail = f"{letters}.{code}@courriel.example"
        return [civility, name, first_name, _phone(self._draw, "06"), "", mail, "", *address]

    def _write_invoice(self, code: str, children: list[str], month: "_Month", activity: Activity) -> tuple[str, int]:
        draw = self._draw
        number = next(self._numbers)
        price, total = _euros(activity.unit_price), 0
        for line in range(self._lines):
            quantity = draw.choice(activity.quantities)
            amount = quantity * activity.unit_price
            total += amount
            child = children[line % len(children)]
            deductible = "oui" if activity.deductible else "non"
            self._sheets["lignes"].write(
                [activity.regie, month.year, number, child, activity.name, quantity, price, _euros(amount), deductible],
                amount,
            )
        (state,) = draw.choices(_STATES, _STATE_WEIGHTS)
        remaining = total if state in ("à payer", "transmise au Trésor") else 0
        label = f"FACTURATION {activity.lot} {month.short}"
        invoice = activity.regie, month.year, number, code, label, activity.lot, month.issued, month.due
        self._sheets["factures"].write(
            [*invoice, month.words, _euros(total), _euros(remaining), state, ""],
            total,
            remaining,
        )
        return activity.regie, remaining


class _Month(NamedTuple):
    """A month that is invoiced after its end."""

    year: int
    short: str
    words: str
    issued_on: date
    issued: str
    due: str

    @classmethod
    def ago(cls, today: date, months: int) -> "_Month":
        issued = today - timedelta(days=10 + 30 * months)
        month = issued.replace(day=1) - timedelta(days=1)
        name = MONTHS[month.month - 1]
        return cls(
            year=issued.year,
            short=fold(name)[:4].upper(),
            words=f"{name.capitalize()} {month.year}",
            issued_on=issued,
            issued=short_date(issued),
            due=short_date(issued + timedelta(days=30)),
        )


def _phone(draw: random.Random, start: str) -> str:
    return f"{start} {' '.join(f'{draw.randrange(100):02d}' for _ in range(4))}"
