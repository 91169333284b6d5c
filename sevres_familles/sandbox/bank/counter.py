"""Do what a payer asks of the bank: the acts behind the pages."""

import logging
import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sevres_familles.sandbox.bank.cards import (
    CHALLENGE_CODE,
    Delivery,
    Scenario,
    scenario_behind,
)
from sevres_familles.sandbox.bank.entry import HeldCard, read_card
from sevres_familles.sandbox.bank.forms import FormRefused, check
from sevres_familles.sandbox.bank.notifications import Courier
from sevres_familles.sandbox.bank.receipts import PostOffice, receipt_of
from sevres_familles.sandbox.bank.shop import Shop
from sevres_familles.sandbox.bank.store import (
    NotificationState,
    Page,
    PageEnded,
    PageState,
    Payment,
    Status,
    Store,
    TransIdUsed,
)

log = logging.getLogger(__name__)

#: How long a payment page lives, in seconds: the bank's ten minutes.
TEN_MINUTES = 600.0


class PageUnknown(Exception):
    """There is no payment page at this address."""


class PageExpired(Exception):
    """The payment page has died before anything was paid."""

    def __init__(self, page: Page) -> None:
        super().__init__(page.token)
        self.page = page


class WrongCode(Exception):
    """The code of the challenge is not the one that was sent."""


@dataclass(frozen=True)
class Counter:
    """The bank's counter: who works there, and by which rules."""

    shop: Shop
    store: Store
    courier: Courier
    post_office: PostOffice
    page_life: float = TEN_MINUTES
    clock: Callable[[], float] = time.time

    def open_page(self, fields: Mapping[str, str]) -> Page:
        """Open a payment page for a shop's form.

        :raises FormRefused: when the bank would not take the form.
        """
        now = self.clock()
        check(fields, self.shop, datetime.fromtimestamp(now, UTC))
        kept = {name: value for name, value in fields.items() if name.startswith("vads_")}
        page = Page(secrets.token_urlsafe(24), kept, now)
        try:
            self.store.open_page(page)
        except TransIdUsed as error:
            raise FormRefused("03", "vads_trans_id", "Ce numéro a déjà servi aujourd’hui (en heure UTC).") from error
        log.info("page opened for %s", page.order_id)
        return page

    def living_page(self, token: str) -> Page:
        """Return a page on which something can still be paid.

        :raises PageUnknown: when there is none at this address.
        :raises PageEnded: when something came of it already.
        :raises PageExpired: when it has died.
        """
        page = self.any_page(token)
        if page.state is PageState.ENDED:
            raise PageEnded(token)
        if self.clock() >= page.opened_at + self.page_life:
            raise PageExpired(page)
        return page

    def any_page(self, token: str) -> Page:
        """Return a page, alive or not.

        :raises PageUnknown: when there is none at this address.
        """
        page = self.store.page(token)
        if page is None:
            raise PageUnknown(token)
        return page

    def take_card(self, page: Page, form: Mapping[str, str]) -> bool:
        """Take the card that was typed on a page.

        :returns: whether the page has ended; if not, the challenge comes next.
        :raises CardFaults: when something typed is to be mended.
        :raises PageEnded: when the page was ended meanwhile.
        """
        card, scenario = read_card(form, datetime.fromtimestamp(self.clock(), UTC).date())
        if scenario.challenge:
            self.store.hold(page.token, card)
            return False
        self._charge(page, card, scenario, "FRICTIONLESS")
        return True

    def answer_challenge(self, page: Page, code: str) -> None:
        """Take the code of a held card's owner.

        :raises WrongCode: when it is not the one that was sent; it may be typed again.
        :raises PageEnded: when the page was ended meanwhile.
        """
        if code != CHALLENGE_CODE:
            raise WrongCode
        if page.held is None:  # answered without having been asked
            raise PageUnknown(page.token)
        self._charge(page, page.held, scenario_behind(page.held.number), "CHALLENGE")

    def abandon(self, page: Page) -> None:
        """End a page because the payer goes back without paying.

        :raises PageEnded: when the page was ended meanwhile.
        """
        self._end(page, self._abandoned(page), Delivery.BEFORE_RETURN)

    def notify_again(self, payment: Payment) -> None:
        """Send the notification of a payment once more, and wait for the answer."""
        number = self.store.notify_again(payment.uuid, self.clock())
        self.courier.wake()
        self.courier.wait_for(number)

    def _charge(self, page: Page, card: HeldCard, scenario: Scenario, authentication: str) -> None:
        accepted = scenario.accepted
        payment = replace(
            self._abandoned(page),
            status=Status.AUTHORISED if accepted else Status.REFUSED,
            result="00" if accepted else "05",
            auth_result=scenario.auth_result,
            auth_number=secrets.token_hex(3) if accepted else "",
            sequence=1,
            card=card.number,
            expiry_month=card.month,
            expiry_year=card.year,
            authentication=authentication,
            certificate=secrets.token_hex(20) if accepted else "",
        )
        self._end(page, payment, scenario.delivery)
        if accepted and card.receipt_to:
            mail = receipt_of(payment, self.shop.merchant, card.receipt_to)
            self.store.note_receipt(payment.uuid, self.post_office.send(mail))

    def _abandoned(self, page: Page) -> Payment:
        """Return what comes of a page when no card is shown."""
        return Payment(
            uuid=uuid.uuid4().hex,
            token=page.token,
            order_id=page.order_id,
            amount=page.amount,
            created_at=self.clock(),
            status=Status.ABANDONED,
            result="17",
            auth_result=None,
            auth_number="",
            sequence=None,
            card="",
            expiry_month=0,
            expiry_year=0,
            authentication="",
            certificate="",
            hash=secrets.token_hex(32),
        )

    def _end(self, page: Page, payment: Payment, delivery: Delivery) -> None:
        """Commit what came of a page; tell the shop after, and wait for its answer."""
        number = self.store.end_page(payment, _first_state(page, delivery))
        log.info("%s: %s", payment.order_id, payment.status)
        self.courier.wake()
        if number is not None and delivery is Delivery.BEFORE_RETURN:
            self.courier.wait_for(number)


def _first_state(page: Page, delivery: Delivery) -> NotificationState | None:
    if not page.notification_address:
        return None
    return NotificationState.LOST if delivery is Delivery.LOST else NotificationState.WAITING
