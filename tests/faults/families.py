"""A family at its browser that never gives up: what breaks is tried again, as people do, until it is paid."""

import html
import re
from collections.abc import Callable
from typing import Any

import requests

from tests.journeys.town import Town
from tests.sandbox.running import PATIENCE
from tests.sandbox.shop import typed

_INPUT = re.compile(r'<input[^>]*\bname="([^"]+)"[^>]*\bvalue="([^"]*)"')
_PAYMENT = re.compile(r"/paiements/(P-\w+)")
_PAID = "Merci, votre paiement est accepté"


class Unreachable(Exception):
    """The portal is down."""


class Browser:
    """A browser without scripts, signed in as one family."""

    def __init__(self, town: Town, code: str, password: str) -> None:
        self.town = town
        self.code = code
        self._session = requests.Session()
        #: The payments that it knows of, by invoice.
        self._known: dict[str, str] = {}
        page = self.ask("GET", "connexion")
        answer = self.ask("POST", "connexion", {**inputs(page.text), "code": code, "mdp": password})
        assert answer.url.endswith(f"/familles/{code}/"), answer.text

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> requests.Response:
        """Ask the portal, and follow where it leads.

        :raises Unreachable: when it is down.
        """
        address = self.town.url + path
        try:
            return self._session.request(
                method, address, data=form, headers={"Referer": self.town.url}, timeout=PATIENCE
            )
        except requests.RequestException as error:
            raise Unreachable from error

    def pay(self, invoice: str, card: str) -> str:
        """Pay an invoice from wherever it stands, and give the payment's reference once the browser is back.

        :raises Unreachable: when the portal went away meanwhile.
        """
        reference = self.leave(invoice)
        self.pay_at_bank(reference, card)
        self.come_back(reference)
        return reference

    def leave(self, invoice: str) -> str:
        """Open the payment of an invoice, or find the one that is under way; give its reference."""
        if invoice not in self._known:
            self._known[invoice] = self._open(invoice)
        return self._known[invoice]

    def _open(self, invoice: str) -> str:
        address = f"familles/{self.code}/comptes/scolaire/payer"
        review = self.ask("GET", f"{address}?facture={invoice}")
        if review.status_code == requests.codes.ok:
            review = self.ask("POST", address, inputs(review.text))
        found = _PAYMENT.search(review.url + review.text)
        assert found, review.text
        return found[1]

    def pay_at_bank(self, reference: str, card: str) -> None:
        """Go on to the bank and pay, unless that was done; the bank does not take a form twice, and says so."""
        page = self.ask("GET", f"paiements/{reference}/continuer")
        if not page.url.endswith("/continuer"):
            return
        fields = inputs(page.text).items()
        form = {name: value for name, value in fields if name.startswith("vads_") or name == "signature"}
        opened = requests.post(self.town.bank.form_url, form, allow_redirects=False, timeout=PATIENCE)
        if opened.status_code == requests.codes.see_other:
            requests.post(opened.headers["Location"], typed(card), allow_redirects=False, timeout=PATIENCE)

    def come_back(self, reference: str) -> None:
        """Come back from the bank."""
        self.ask("GET", f"paiements/{reference}/retour")

    def is_paid(self, reference: str) -> bool:
        """Tell whether the page of a payment thanks for it."""
        return _PAID in self.ask("GET", f"paiements/{reference}").text


def inputs(page: str) -> dict[str, str]:
    """Read the hidden fields of a page, and what its fields hold."""
    return {name: html.unescape(value) for name, value in _INPUT.findall(page)}


def insist(act: Callable[[], Any], revive: Callable[[], None]) -> Any:
    """Do something again and again while the portal goes away, as people do."""
    while True:
        try:
            return act()
        except Unreachable:
            revive()
