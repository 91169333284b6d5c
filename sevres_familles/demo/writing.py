"""Writing the demonstration's exchange files, with dates that are relative to the day."""

import re
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

from sevres_familles.domain.french import MONTHS, short_date

#: ``{J-15}`` the day fifteen days ago, ``{A-15}`` its year, ``{M-15}`` its month in words.
_TOKEN = re.compile(r"\{([JAM])([+-]\d+)\}")


def on_day(text: str, today: date) -> str:
    """Replace the tokens of a text."""

    def replace(match: re.Match[str]) -> str:
        day = today + timedelta(days=int(match[2]))
        return {"J": short_date(day), "A": str(day.year), "M": f"{MONTHS[day.month - 1].capitalize()} {day.year}"}[
            match[1]
        ]

    return _TOKEN.sub(replace, text)


def write_demonstration(folder: Path, today: date) -> tuple[Path, ...]:
    """Write the files that are not in a folder yet, and give the paths of them all.

    Files that are there stay as they are: their invoices may be known with their dates, which never change.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for each in sorted(files("sevres_familles.demo").joinpath("files").iterdir(), key=lambda file: file.name):
        path = folder / each.name
        paths.append(path)
        if not path.exists():
            path.write_text(on_day(each.read_text(encoding="utf-8"), today), encoding="utf-8")
    return tuple(paths)
