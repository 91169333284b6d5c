"""The application starts, and its first answers."""

from datetime import date

from sevres_familles.domain.invoice import InvoiceState
from sevres_familles.domain.money import Money
from tests import factories


def test_a_stored_invoice_stands_in_the_tree(stored):
    with stored() as portal:
        factories.store_invoice(factories.store_family(portal))

    with stored() as portal:
        invoice = portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"]
        assert invoice.reference == "CANTINES-9161-26719"
        assert invoice.account.balance() == Money(6000)
        assert invoice.status(date(2026, 11, 23)).state is InvoiceState.DUE
