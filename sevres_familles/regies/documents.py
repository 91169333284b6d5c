"""Invoices on paper: what `templates/documents/invoice.typ` shows of an invoice.

The same document is printed and read on line, but for the password, which stands on paper alone, and for a payment
under way, which on paper would forbid to pay long after it was given up.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TypedDict
from urllib.parse import urljoin, urlsplit

import zxingcpp
from pyramid.request import Request

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceLine, InvoiceState, InvoiceStatus
from sevres_familles.domain.money import NO_BREAK_SPACE, ZERO, Money
from sevres_familles.families.services import households
from sevres_familles.regies.resources import Invoice
from sevres_familles.regies.services import deducted, multiplied, sums_of
from sevres_familles.web import documents
from sevres_familles.web.town import Contact, InvoiceTerms

_NO_TERMS = InvoiceTerms()


class Labelled(TypedDict):
    """A value and what it is."""

    label: str
    value: str


class Line(TypedDict):
    """A line of the invoice: ``price`` is quantity × unit price."""

    child: str
    activity: str
    price: str
    amount: str


class Sum(TypedDict):
    """A sum under the lines."""

    label: str
    amount: str


class Note(TypedDict):
    """A few lines under a heading."""

    title: str
    lines: list[str]


class Online(TypedDict):
    """How to pay on line: ``url`` opens the invoice, and so does ``qr``, an SVG picture.  No password is in them."""

    title: str
    how: str
    site: str
    url: str
    qr: str
    password: str
    note: str


class Coupon(TypedDict):
    """The coupon that goes with a cheque: where to, what to tick, how."""

    title: str
    address: list[str]
    boxes: list[str]
    how: list[str]


class InvoiceData(TypedDict):
    """What ``invoice.typ`` shows.  Words and amounts come as they are read; empty texts are left out."""

    town: documents.Town
    regie: documents.Regie
    title: str
    number: str
    reference: str
    label: str
    #: The day of the document, ISO 8601: its metadata, not shown.
    issued_on: str
    facts: list[Labelled]
    family_code: str
    payer: str
    #: What shows in the window of the envelope, a line each.
    address: list[str]
    verdict: str
    advice: str
    amount: str
    deadline: str
    lines: list[Line]
    sums: list[Sum]
    remark: str
    notes: list[Note]
    online: Online
    #: None when there is nothing to pay, or nowhere to send it.
    coupon: Coupon | None


def invoice_pdf(request: Request, invoice: Invoice) -> bytes:
    """Typeset an invoice as tagged PDF/UA-1, without a password."""
    return documents.typeset("invoice", invoice_data(request, invoice, invoice.status(request.today)))


def invoice_picture(request: Request, invoice: Invoice) -> bytes:
    """Draw the first sheet of an invoice as PNG, without a password."""
    return documents.picture("invoice", invoice_data(request, invoice, invoice.status(request.today)))


def terms_of(request: Request, regie: str) -> InvoiceTerms:
    """Find what the invoices of a régie must say beside their figures."""
    terms: InvoiceTerms = request.town.terms.get(regie, _NO_TERMS)
    return terms


def invoice_data(request: Request, invoice: Invoice, status: InvoiceStatus, password: str = "") -> InvoiceData:
    """Say what an invoice shows.

    :param status: how it stands.
    :param password: the provisional one, on paper alone; empty for a family that signs in with its own.
    """
    facts, town = invoice.facts, request.town
    regie, family = invoice.account.regie, invoice.account.family
    terms = terms_of(request, regie.__name__ or "")
    payer, address = _addressee(invoice)
    deadline = french.short_date(facts.due_on)
    verdict, advice = _verdict(status, deadline)
    is_owed, is_credit_note = status.payable, status.state is InvoiceState.CREDIT_NOTE
    return InvoiceData(
        town={"name": town.title, "address": list(town.contact.address), "emblem": _emblem(town.emblem)},
        regie={"name": regie.title, "contact": _head_contact(regie.description.contact)},
        title="Avoir" if is_credit_note else "Facture",
        number=facts.key.number,
        reference=invoice.reference,
        label=facts.label,
        issued_on=facts.issued_on.isoformat(),
        facts=[{"label": label, "value": value} for label, value in _facts(invoice) if value],
        family_code=family.code,
        payer=payer,
        address=address,
        verdict=verdict,
        advice=advice,
        amount=str(abs(status.due) if status.state is not InvoiceState.CANCELLED else ZERO),
        deadline=deadline,
        lines=[_line(line) for line in facts.lines],
        sums=list(_sums(facts.total, status)),
        remark=_remark(terms, facts.lines),
        notes=list(_notes(terms, regie.description.contact, status)),
        online=_online(request, invoice, password, status),
        coupon=_coupon(terms) if is_owed and terms.send_to else None,
    )


def _addressee(invoice: Invoice) -> tuple[str, list[str]]:
    """Give the name of who pays, and the lines of the envelope: those guardians who live where the first one does.

    Parents who live apart have a code each, or the billing software would not know them as one family.
    """
    record = invoice.account.family.record
    if record is None or not record.guardians:
        return "", []
    household = next(households(record))
    return household.names[0], [*household.names, *household.address]


def _head_contact(contact: Contact) -> list[str]:
    phones = " ou ".join(each.replace(" ", NO_BREAK_SPACE) for each in contact.phones)
    return [line for line in (contact.service, *contact.address, phones, contact.email) if line]


def _facts(invoice: Invoice) -> tuple[tuple[str, str], ...]:
    facts = invoice.facts
    return (
        ("Période", facts.period),
        ("Émise le", french.short_date(facts.issued_on)),
        ("Exercice", str(facts.key.exercice)),
        ("Référence", invoice.reference),
        ("Code d’accès", invoice.account.family.code),
    )


def _verdict(status: InvoiceStatus, deadline: str) -> tuple[str, str]:
    """Say what is to be done about the sum, and an advice."""
    if status.state is InvoiceState.CANCELLED:
        return "Cette facture est annulée.", "Vous n’avez rien à payer."
    if status.due < ZERO:
        return "Un avoir en votre faveur.", "Vous n’avez rien à payer. Demandez à la régie comment l’utiliser."
    if status.state is InvoiceState.CREDIT_NOTE:
        return "Il ne reste rien de cet avoir.", "Vous n’avez rien à payer."
    if status.state is InvoiceState.PAID:
        return "Cette facture est payée.", "Vous n’avez rien à payer."
    if status.state is InvoiceState.SENT_TO_TREASURY:
        return (
            "Cette facture ne se paie plus à la régie.",
            "Réglez-la avec l’avis que le Trésor public vous envoie par courrier.",
        )
    under_way = "Un paiement par carte est en cours. Ne payez pas une seconde fois."
    advice = under_way if status.state is InvoiceState.PENDING else ""
    return f"En votre aimable règlement avant le {deadline}", advice


def _line(line: InvoiceLine) -> Line:
    return Line(
        child=line.child,
        activity=f"{line.activity} (déductible)" if line.deductible else line.activity,
        price=multiplied(line),
        amount=deducted(line.amount),
    )


def _sums(invoiced: Money, status: InvoiceStatus) -> Iterator[Sum]:
    """Give the sums under the lines: the total alone when it is what is left to pay."""
    sums = tuple(sums_of(invoiced, status))
    for label, amount in sums[:1] if status.due == invoiced else sums:
        yield Sum(label=label, amount=amount)


def _remark(terms: InvoiceTerms, lines: tuple[InvoiceLine, ...]) -> str:
    remarks = [terms.place] if terms.place else []
    if any(line.deductible for line in lines):
        remarks.append("Déductible\u00a0: compte dans vos frais de garde, à déclarer selon votre situation.")
    return french.spaced(" ".join(remarks))


def _notes(terms: InvoiceTerms, contact: Contact, status: InvoiceStatus) -> tuple[Note, ...]:
    """Tell whom to ask, how to contest and how to pay; the terms speak of deadlines, which a credit note has not."""
    appeal = () if status.state is InvoiceState.CREDIT_NOTE else terms.appeal
    phones = " ou ".join(each.replace(" ", NO_BREAK_SPACE) for each in contact.phones)
    question = [", ".join(filter(None, (contact.service, phones)))]
    notes = [Note(title="Une question, un désaccord\u00a0?", lines=[*question, *map(french.spaced, appeal)])]
    if status.payable:
        by_coupon = (f"{each.words}{', avec le coupon ci-dessous' if each.boxes else ''}." for each in terms.means)
        means = ["Par Internet, par carte bancaire\u00a0: voir ci-dessous.", *map(french.spaced, by_coupon)]
        notes.insert(0, Note(title="Comment payer", lines=means))
    return tuple(notes)


def _online(request: Request, invoice: Invoice, password: str, status: InvoiceStatus) -> Online:
    settings = request.portal_settings
    site = urlsplit(request.public_address)
    url = urljoin(settings.public_url, request.resource_path(invoice))
    if password:
        note = (
            f"Il sert une seule fois, pendant {settings.printed_password_life.days} jours\u00a0: "
            "à votre première connexion, vous choisirez le vôtre."
        )
    else:
        note = (
            "Votre mot de passe est celui que vous avez choisi. "
            "Oublié\u00a0? Suivez «\u00a0Identifiants oubliés\u00a0»."
        )
    this = "cet avoir" if status.state is InvoiceState.CREDIT_NOTE else "cette facture"
    what = "Par carte bancaire" if status.payable else f"Retrouvez {this} et vos reçus"
    return Online(
        title="Vous pouvez payer en ligne, par Internet" if status.payable else "Vos factures en ligne",
        how=f"{what}, à l’aide de votre code d’accès et de votre mot de passe, sur",
        site=f"{site.netloc}{site.path.rstrip('/')}",
        url=url,
        qr=qr_code(url),
        password=password,
        note=note,
    )


def _coupon(terms: InvoiceTerms) -> Coupon:
    return Coupon(
        title="Coupon à joindre à votre règlement à adresser\u00a0:",
        address=list(terms.send_to),
        boxes=[box for each in terms.means for box in each.boxes],
        how=[french.spaced(f"{each.words}.") for each in terms.means if each.boxes],
    )


def qr_code(text: str) -> str:
    """Draw a QR code as SVG.  Level M: a fold or a stain may cost it 15 % of its squares."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="M")
    svg: str = code.to_svg(add_quiet_zones=False)
    return svg


@lru_cache(maxsize=4)
def _emblem(path: Path) -> str:
    return path.read_text(encoding="utf-8")
