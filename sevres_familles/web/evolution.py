"""Evolution: the named steps that make a database, and bring an old one up to date.

A new database is made by running every step, so the steps are the bootstrap and every test runs them.  An area keeps
its steps in ``evolve.py``; they run in the order of the areas, then of their writing, each once, recorded by name.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyramid.config import Configurator

if TYPE_CHECKING:
    from sevres_familles.web.root import Portal

#: A step takes the portal and the registry, and changes the portal.
Step = Callable[["Portal", Any], None]


def step_name(step: Step) -> str:
    """Name a step by its area and function: ``families.add_families``."""
    return f"{step.__module__.split('.')[-2]}.{step.__name__}"


def is_evolved(portal: "Portal", registry: Any) -> bool:
    """Tell whether every step was run."""
    return len(portal.evolved) == len(registry.evolution_steps)


def evolve(portal: "Portal", registry: Any) -> tuple[str, ...]:
    """Run the steps that were not run, and give their names.  The caller commits."""
    missing = [step for step in registry.evolution_steps if step_name(step) not in portal.evolved]
    for step in missing:
        step(portal, registry)
        portal.evolved += (step_name(step),)
    return tuple(map(step_name, missing))


def add_evolution_steps(config: Configurator, *steps: Step) -> None:
    """Declare the steps of an area (a directive: ``config.add_evolution_steps``)."""
    config.registry.evolution_steps += steps


def includeme(config: Configurator) -> None:
    """Add the directive."""
    config.registry.evolution_steps = ()
    config.add_directive("add_evolution_steps", add_evolution_steps)
