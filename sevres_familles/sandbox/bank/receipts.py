"""Send the bank's own receipt to the address a payer typed."""

import logging
import smtplib
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from sevres_familles.sandbox.bank.cards import grouped
from sevres_familles.sandbox.bank.records import Payment, Receipt
from sevres_familles.sandbox.bank.shop import Merchant
from sevres_familles.sandbox.french import day_and_time, euros

log = logging.getLogger(__name__)

#: How long the payer's ticket waits for the post office, in seconds.
_LONGEST_POSTING = 5.0

#: A domain that nobody can own (RFC 2606).
_DOMAIN = "banque.invalid"


@dataclass(frozen=True)
class PostOffice:
    """Where the bank's mails are taken to."""

    host: str
    port: int

    def send(self, mail: EmailMessage) -> Receipt:
        """Send a mail, and say what became of it: a payment never fails for a receipt."""
        try:
            with smtplib.SMTP(self.host, self.port, timeout=_LONGEST_POSTING) as door:
                door.send_message(mail)
        except (OSError, smtplib.SMTPException) as error:
            log.warning("receipt not sent: %s", type(error).__name__)
            return Receipt.FAILED
        return Receipt.SENT


def receipt_of(payment: Payment, merchant: Merchant, to: str) -> EmailMessage:
    """Write the receipt of an accepted payment."""
    mail = EmailMessage()
    mail["From"] = f"Banque de démonstration <recus@{_DOMAIN}>"
    mail["To"] = to
    mail["Subject"] = f"Reçu de votre paiement de {euros(payment.amount)}"
    mail["Date"] = formatdate(payment.created_at)
    mail["Message-ID"] = make_msgid(payment.uuid, _DOMAIN)
    mail.set_content(
        f"""\
BANQUE DE DÉMONSTRATION : aucun argent n’a circulé.

Votre paiement est accepté.

Commerçant : {merchant.name}
{merchant.address}
{merchant.phone}

Référence : {payment.order_id}
Montant : {euros(payment.amount)}
Date : {day_and_time(payment.created_at)}
Carte : {grouped(payment.card)}
Numéro d’autorisation : {payment.auth_number}
Paiement comptant

Ce reçu est celui de la banque. La boutique vous envoie le sien.
"""
    )
    return mail
