"""Gateways: how we speak to banks.  `port` says what one can do; each other module is one bank's adapter."""

from collections.abc import Mapping

from sevres_familles.payments.gateways.port import PaymentGateway
from sevres_familles.payments.gateways.systempay import SystemPayGateway
from sevres_familles.web.settings import Settings
from sevres_familles.web.town import Town


class UnknownGateway(Exception):
    """A régie names a gateway that does not exist.

    eopayment's ``tipi`` and ``dummy`` are not here on purpose: they accept what nobody signed (payments.md §1, trap 9).
    """


def make_gateways(settings: Settings, town: Town) -> Mapping[str, PaymentGateway]:
    """Make the gateways that the settings describe.

    :raises UnknownGateway: when a régie names another.
    """
    gateways = {"systempay": SystemPayGateway.from_settings(settings)}
    for regie in town.regies:
        if regie.gateway not in gateways:
            raise UnknownGateway(f"{regie.name}: {regie.gateway}")
    return gateways
