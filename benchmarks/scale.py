"""How far one machine goes: ``python -m benchmarks.scale workers | day | million`` (docs/scale.md)."""

import argparse
import sys
from pathlib import Path

from benchmarks import invoice_day, million, workers


def main() -> None:
    """Run one of the measures."""
    options = argparse.ArgumentParser(description=__doc__)
    measures = options.add_subparsers(dest="measure", required=True)
    measures.add_parser("workers", help="two workers against one, on SQLite and on PostgreSQL (3 minutes)")
    day = measures.add_parser("day", help="invoice day: 10,000 families in ten minutes, 2,000 of whom pay")
    day.add_argument("--minutes", type=float, default=invoice_day.MINUTES, help="shorter, at the same rate")
    day.add_argument("--workers", type=int, default=2)
    day.add_argument("--postgresql", action="store_true", help="on PostgreSQL instead of SQLite")
    large = measures.add_parser("million", help="a million invoices against 10,000")
    large.add_argument("--folder", type=Path, required=True, help="where the two towns are made once, and stay")
    chosen = options.parse_args()
    if chosen.measure == "workers":
        workers.main()
    elif chosen.measure == "million":
        million.main(chosen.folder)
    elif not invoice_day.main(chosen.minutes, chosen.workers, postgresql=chosen.postgresql):
        sys.exit("not all that is asked held")


if __name__ == "__main__":
    main()
