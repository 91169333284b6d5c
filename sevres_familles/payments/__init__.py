"""Payments: from the choice of invoices to the receipt, whatever the bank does in between.

`resources` keeps each attempt, what the bank said of it and where its money went; `services` opens attempts and applies
evidence by the table of `sevres_familles.domain.payment`; `gateways` speak to banks; `asking` asks the bank about
attempts that have no end yet; `checking` verifies the ledger; `documents` makes receipts.  Money moves only in
`services.apply`.
"""

from pyramid.config import Configurator

from sevres_familles.payments.gateways import make_gateways


def includeme(config: Configurator) -> None:
    """Add the area.

    :raises UnknownGateway: when a régie names a gateway that is not here.
    """
    from sevres_familles.payments import evolve
    from sevres_familles.payments.measures import measures_of_payments
    from sevres_familles.payments.views.home import last_paid, under_way

    settings = config.registry.settings_of_portal
    config.registry.gateways = make_gateways(settings, config.registry.town)
    config.add_evolution_steps(*evolve.STEPS)
    config.add_measures(measures_of_payments)
    config.add_family_part("cards", under_way, "sevres_familles:templates/payments/under_way.pt")
    config.add_family_part("cards", last_paid, "sevres_familles:templates/payments/last_paid.pt")
    config.scan("sevres_familles.payments")
