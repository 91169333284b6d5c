"""The rows of « Vos factures », drawn as text.

A page shows twenty-four invoices with all their lines: drawn by the template, expression by expression, they took most
of the request.  Whatever a billing file wrote is escaped here.
"""

from collections.abc import Iterable
from functools import lru_cache

from sevres_familles.domain import french
from sevres_familles.domain.invoice import InvoiceFacts, InvoiceLine, InvoiceState, InvoiceStatus, unpack_facts
from sevres_familles.domain.money import ZERO
from sevres_familles.regies.resources import Invoice
from sevres_familles.regies.services import deducted, multiplied
from sevres_familles.regies.views.wording import BADGES, Wording
from sevres_familles.web.markup import escape

#: Rows kept ready, of about 1.5 kB each: the pages of some two hundred families that are being read.
MOST_ROWS = 4096
#: States after which the deadline means nothing any more.
_OVER = frozenset({InvoiceState.PAID, InvoiceState.CREDIT_NOTE, InvoiceState.CANCELLED})


def invoice_row(invoice: Invoice, status: InvoiceStatus, code: str, url: str, wording: Wording, *, ticked: bool) -> str:
    """Draw an invoice in the table: a tick box when it can be paid, or why not.

    ``code`` is the family's, the end of the invoice's reference; ``url`` the path of the account, with its slash.
    """
    why = wording.why(invoice, status.state, status.due) or ""
    receipt = _receipt_url(invoice, wording) if invoice.payments else ""
    return _row(invoice.packed_facts, status, code, url, why, receipt, ticked)


@lru_cache(maxsize=MOST_ROWS)
def _row(packed_facts: str, status: InvoiceStatus, code: str, url: str, why: str, receipt: str, ticked: bool) -> str:
    """Draw a row, once for each set of what it shows."""
    facts = unpack_facts(packed_facts)
    is_over = status.state in _OVER
    name, label = escape(str(facts.key)), escape(facts.label)
    reference = escape(f"{facts.lot}-{facts.key.number}-{code}")
    amount = str(abs(facts.total) if is_over else status.due)
    pick = _tick_box(name, label, amount, status.due.cents, ticked=ticked) if status.payable else ""
    because = f'<p class="why">{why}</p>' if why else ""
    deadline = (
        "" if is_over else f'<span class="small soft by">à payer avant le {french.short_date(facts.due_on)}</span>'
    )
    beneath = _receipt(receipt, label) if is_over else _out_of(facts, status)
    return (
        f'<tr><td class="pick">{pick}</td>'
        f'<th scope="row"><a class="name" href="{url}{name}/">{label}</a>'
        f'<span class="small soft ref">réf. {reference}</span>'
        f'{because}<details><summary>Détail<span class="vh"> de {label}</span></summary>'
        f"{_lines(facts.lines)}</details></th>"
        f'<td class="when"><span class="ph">Émise le </span>{french.short_date(facts.issued_on)}{deadline}</td>'
        f'<td class="state">{BADGES[status.state]}</td>'
        f'<td class="num"><span class="sum">{amount}</span>{beneath}</td></tr>'
    )


def _tick_box(name: str, label: str, amount: str, cents: int, *, ticked: bool) -> str:
    checked = " checked" if ticked else ""
    return (
        f'<label><span class="vh">Choisir {label}, {amount}</span>'
        f'<input type="checkbox" name="facture" value="{name}" data-cents="{cents}"{checked}></label>'
    )


def _lines(lines: Iterable[InvoiceLine]) -> str:
    """Say the lines by child and activity: ``Léa, cantine : 10 × 3,60 € = 36,00 €``."""
    said = [
        f"{line.child}{', ' if line.child else ''}{line.activity}\xa0: {multiplied(line)} = {deducted(line.amount)}"
        f"{' (déductible)' if line.deductible else ''}"
        for line in lines
    ]
    items = escape("\n".join(said)).replace("\n", "</li><li>")
    return f'<ul class="small"><li>{items}</li></ul>'


def _out_of(facts: InvoiceFacts, status: InvoiceStatus) -> str:
    """Say the total of an invoice of which less, or more, is left to pay."""
    return f'<br><span class="small soft">sur {facts.total}</span>' if status.due != facts.total else ""


def _receipt_url(invoice: Invoice, wording: Wording) -> str:
    """Tell where the last payment of ours that kept its money on an invoice stands, with its receipt."""
    references = [reference for reference, amount in invoice.payments.items() if amount > ZERO]
    return wording.payment_url(references[-1]) if references else ""


def _receipt(url: str, label: str) -> str:
    return f'<br><a class="small" href="{url}">Reçu<span class="vh"> de {label}</span></a>' if url else ""
