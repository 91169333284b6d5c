"""Receipts on paper: what `templates/documents/receipt.typ` shows of a payment."""

from collections.abc import Iterator

from pyramid.request import Request

from sevres_familles.domain import french
from sevres_familles.payments.resources import Payment, Receipt
from sevres_familles.web.documents import ReceiptData, ReceiptLine, typeset
from sevres_familles.web.town import Contact

MEANS = "Carte bancaire"


def receipt_of(payment: Payment, number: str) -> Receipt:
    """Find a receipt of a payment.

    :raises KeyError: when it has none of that number.
    """
    for receipt in payment.receipts:
        if receipt.number == number:
            return receipt
    raise KeyError(number)


def receipt_pdf(request: Request, payment: Payment, number: str) -> bytes:
    """Typeset a receipt as tagged PDF/UA-1.  The same receipt gives the same bytes.

    :raises KeyError: when the payment has no receipt of that number.
    """
    return typeset("receipt", receipt_data(request, payment, receipt_of(payment, number)))


def receipt_data(request: Request, payment: Payment, receipt: Receipt) -> ReceiptData:
    """Say what a receipt shows."""
    town, regie = request.town, payment.account.regie.description
    family = payment.account.family
    record = family.record
    payer = (
        [guardian.name for guardian in record.guardians] + list(record.guardians[0].address.lines()) if record else []
    )
    notes = []
    if receipt.unclassified:
        notes.append(
            f"{receipt.unclassified} n’ont pu être affectés à aucune facture : la régie les garde à votre nom "
            "et vous contactera."
        )
    return ReceiptData(
        town={"name": town.title, "address": list(town.contact.address)},
        regie={"name": regie.title, "contact": _contact_lines(regie.contact)},
        number=receipt.number,
        title="Reçu de paiement",
        issued_on=french.local(receipt.at).date().isoformat(),
        paid_at=french.moment_text(receipt.at),
        payer=payer or [family.code],
        family_code=family.code,
        lines=list(_lines(payment, receipt)),
        total=str(receipt.amount),
        means=MEANS,
        payment_reference=payment.reference,
        bank_reference=receipt.authorisation or receipt.transaction,
        notes=notes,
    )


def _lines(payment: Payment, receipt: Receipt) -> Iterator[ReceiptLine]:
    """Give what each invoice took, and what none could: together, they make the sum received."""
    for share in receipt.shares:
        invoice = payment.account.invoices[share.invoice]
        yield ReceiptLine(
            label=invoice.facts.label, reference=invoice.reference, number=share.invoice, amount=str(share.amount)
        )
    if receipt.unclassified:
        yield ReceiptLine(
            label="Somme gardée par la régie, à affecter", reference="", number="", amount=str(receipt.unclassified)
        )


def _contact_lines(contact: Contact) -> list[str]:
    return [contact.service, *contact.address, " ou ".join(contact.phones)]
