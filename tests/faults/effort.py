"""How far the fault tests go: the short form, in CI, or the long one (``make faults``, which is ``FAULTS=long``).

What is drawn at random is drawn from a seed that a failure names, so that it can be run again alone.
"""

import os
import random
from collections.abc import Iterator

LONG = os.environ.get("FAULTS") == "long"


def runs(short: int, long: int) -> int:
    """Give how many times to try."""
    return long if LONG else short


def seeds(short: int, long: int, at_once: int) -> list[range]:
    """Give the seeds of the tries, in slices: each is a test of its own."""
    count = runs(short, long)
    return [range(first, min(first + at_once, count)) for first in range(0, count, at_once)]


def draws(seeds_of_slice: range) -> Iterator[tuple[int, random.Random]]:
    """Give each seed with what draws from it."""
    for seed in seeds_of_slice:
        yield seed, random.Random(seed)
