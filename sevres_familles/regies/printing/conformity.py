"""What the law wants on the invoice of a régie: whatever lacks is named, and nothing is printed.

Organisation and régie, date of issue, debtor, place and nature of the service, unit price × quantity, where to pay,
last date, accepted means; the number, and how to contest.
"""

from collections.abc import Iterator

from sevres_familles.domain.invoice import InvoiceFacts
from sevres_familles.domain.money import total
from sevres_familles.regies.resources import Invoice, Regie
from sevres_familles.web.town import InvoiceTerms, Town


def lacks_of_terms(town: Town, regie: Regie, terms: InvoiceTerms) -> Iterator[str]:
    """Name what every invoice of a régie would lack: what the town file does not say."""
    if not town.title.strip() or not regie.title.strip():
        yield "le nom de la ville et de la régie"
    if not regie.description.contact.address:
        yield "l’adresse de la régie (contact)"
    if not terms.place.strip():
        yield "le lieu des prestations (place)"
    if not terms.send_to:
        yield "l’adresse où envoyer le règlement (send_to)"
    if not terms.means:
        yield "les moyens de paiement acceptés (means)"
    if not terms.appeal:
        yield "comment contester la somme (appeal)"


def lacks_of(invoice: Invoice, *, by_post: bool) -> Iterator[str]:
    """Name what an invoice lacks.

    :param by_post: whether it leaves in an envelope, and so wants an address.
    """
    record = invoice.account.family.record
    if record is None or not record.guardians or not record.guardians[0].name:
        yield "le nom de qui doit la payer"
    elif by_post:
        address = record.guardians[0].address
        if not address.street.strip() or not address.postcode.strip() or not address.town.strip():
            yield "l’adresse de qui doit la payer"
    yield from _lacks_of_facts(invoice.facts)


def _lacks_of_facts(facts: InvoiceFacts) -> Iterator[str]:
    if not facts.key.number.strip():
        yield "son numéro"
    if not facts.lines:
        yield "le détail des prestations"
    elif not all(line.activity.strip() for line in facts.lines):
        yield "la nature d’une prestation"
    elif not all(line.quantity.strip() for line in facts.lines):
        yield "une quantité"
    elif total(line.amount for line in facts.lines) != facts.total:
        yield "un total égal à la somme de ses lignes"
    if facts.due_on < facts.issued_on:
        yield "une date limite qui suit son émission"
