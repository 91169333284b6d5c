"""Telling people: what is written to whom, and how it leaves.

When an area announces something (``identity.events``, ``payments.events``), `subscribers` write a `resources.Mail` in
the `resources.Outbox`, in the very transaction of the act: an act that is undone writes to nobody.  A mail waits as a
kind, a recipient and a few references; its words are made from ``templates/mail`` when it leaves (`letters`).

The mail worker (``sevres-mail``, `scripts`) takes what is due (`delivery`) and hands it to the SMTP server
(`transport`).  Each mail leaves at least once, and under the same Message-ID if it leaves again: killed anywhere,
nothing is lost.  A mail server that is down touches nothing but the outbox.
"""

from pyramid.config import Configurator

from sevres_familles.notifications import evolve
from sevres_familles.notifications.measures import measures_of_mails
from sevres_familles.notifications.transport import make_mailer


def includeme(config: Configurator) -> None:
    """Add the area."""
    config.registry.mailer = make_mailer(config.registry.settings_of_portal)
    config.add_evolution_steps(*evolve.STEPS)
    config.add_measures(measures_of_mails)
    config.include("sevres_familles.notifications.subscribers")
