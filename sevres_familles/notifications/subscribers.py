"""What is written to whom when other areas announce something.

Each listener writes to the outbox in the transaction of the act, and only there.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pyramid.config import Configurator

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.families.events import DeliveryChosen
from sevres_familles.identity.events import (
    EmailConfirmationAsked,
    EmailReplaced,
    NewDeviceSeen,
    PasswordChanged,
    ResetAsked,
)
from sevres_familles.identity.services import mail_address
from sevres_familles.notifications.resources import MailKind
from sevres_familles.notifications.transport import domain_of
from sevres_familles.payments.events import MoneyReturned, ReceiptIssued
from sevres_familles.regies.events import InvoicesPublished

#: Invoices that billing took back: nobody is told of them.
_WITHDRAWN = frozenset({InvoiceState.CANCELLED, InvoiceState.SENT_TO_TREASURY})


class Clerk:
    """The clerk of an application: it listens, and writes to its outbox."""

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def tell_identifiers(self, event: ResetAsked) -> None:
        """Send the codes d'accès behind an address, with a link each to choose a password."""
        links = [{"code": link.code, "nonce": link.nonce} for link in event.links]
        self._write(event.portal, MailKind.IDENTIFIERS, event.email, {"links": links}, event.at)

    def tell_password_changed(self, event: PasswordChanged) -> None:
        """Tell every address of a family, one mail each: none learns of the others."""
        for email in event.emails:
            self._write(event.portal, MailKind.PASSWORD_CHANGED, email, {"code": event.code}, event.at)

    def ask_to_confirm(self, event: EmailConfirmationAsked) -> None:
        """Send the link that confirms an address."""
        context = {"code": event.code, "nonce": event.nonce}
        self._write(event.portal, MailKind.EMAIL_CONFIRMATION, event.email, context, event.at)

    def tell_new_device(self, event: NewDeviceSeen) -> None:
        """Tell every address of a family that it was signed in to from a device that was not known."""
        for email in event.emails:
            context = {"code": event.code, "device": event.device}
            self._write(event.portal, MailKind.NEW_DEVICE, email, context, event.at)

    def tell_email_replaced(self, event: EmailReplaced) -> None:
        """Tell every other address of a family that one took the place of that which was written to."""
        for email in event.emails:
            self._write(event.portal, MailKind.EMAIL_REPLACED, email, {"code": event.code}, event.at)

    def tell_delivery_chosen(self, event: DeliveryChosen) -> None:
        """Tell every address of a family how its invoices reach it from now on."""
        for email in event.emails:
            context = {"code": event.code, "electronic": event.electronic, "by": event.by}
            self._write(event.portal, MailKind.DELIVERY_CHOSEN, email, context, event.at)

    def tell_invoices(self, event: InvoicesPublished) -> None:
        """Tell a family that wants no paper that its invoices are on line, save those that were taken back."""
        family = event.invoices[0].account.family
        email = mail_address(event.portal, self._registry, family.code)
        today = french.local(event.at).date()
        told = [each for each in event.invoices if each.status(today).state not in _WITHDRAWN]
        if email and told:
            invoices = [[invoice.account.__name__, invoice.__name__] for invoice in told]
            context = {"code": family.code, "invoices": invoices}
            self._write(event.portal, MailKind.INVOICES_ONLINE, email, context, event.at)

    def send_receipt(self, event: ReceiptIssued) -> None:
        """Send a receipt to the address that the payment was opened with, else to the family's, if it has one."""
        payment = event.payment
        email = payment.email or mail_address(event.portal, self._registry, payment.family_code)
        if email:
            context = {"payment": payment.reference, "number": event.number}
            self._write(event.portal, MailKind.RECEIPT, email, context, event.at)

    def tell_money_returned(self, event: MoneyReturned) -> None:
        """Tell who paid that money went back, and what is due again."""
        payment = event.payment
        email = payment.email or mail_address(event.portal, self._registry, payment.family_code)
        if email:
            context = {
                "payment": payment.reference,
                "kind": str(event.fact.kind),
                "transaction": event.fact.transaction,
            }
            self._write(event.portal, MailKind.MONEY_RETURNED, email, context, event.at)

    def _write(self, portal: Any, kind: MailKind, recipient: str, context: Mapping[str, Any], at: datetime) -> None:
        domain = domain_of(self._registry.settings_of_portal.mail_sender)
        portal.stores["outbox"].write(kind, recipient, context, domain=domain, at=at)


def includeme(config: Configurator) -> None:
    """Let the clerk of the application listen."""
    clerk = Clerk(config.registry)
    config.add_subscriber(clerk.tell_identifiers, ResetAsked)
    config.add_subscriber(clerk.tell_password_changed, PasswordChanged)
    config.add_subscriber(clerk.ask_to_confirm, EmailConfirmationAsked)
    config.add_subscriber(clerk.tell_new_device, NewDeviceSeen)
    config.add_subscriber(clerk.tell_email_replaced, EmailReplaced)
    config.add_subscriber(clerk.tell_delivery_chosen, DeliveryChosen)
    config.add_subscriber(clerk.tell_invoices, InvoicesPublished)
    config.add_subscriber(clerk.send_receipt, ReceiptIssued)
    config.add_subscriber(clerk.tell_money_returned, MoneyReturned)
