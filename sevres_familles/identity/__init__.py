"""Who is asking, and how families get in.

A family signs in with its code d'accès and a password: the one printed on its invoice, which opens nothing but the
choice of its own, or its own.  `resources.Credentials` keep hashes of both, `services` are the acts, `passwords` the
rules and the hasher, `throttle` the waiting after failures, `sessions` the tickets, `security` the policy
(``request.identity``), `tokens` and `links` what mails carry, `emails` the index that finds a family by an address.
What is known of the families themselves is asked of ``registry.directory`` (`directory.Directory`), which the families
area sets.
"""

from pyramid.config import Configurator

from sevres_familles.identity import evolve
from sevres_familles.identity.passwords import Passwords


def includeme(config: Configurator) -> None:
    """Add the area."""
    config.registry.passwords = Passwords(config.registry.settings_of_portal)
    config.add_evolution_steps(*evolve.STEPS)
    config.include("sevres_familles.identity.security")
    config.scan("sevres_familles.identity")
