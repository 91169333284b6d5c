"""Do what a payer asks of the bank: the acts behind the pages."""

import logging
import secrets
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
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
from sevres_familles.sandbox.bank.records import (
    Notice,
    NotificationState,
    Page,
    PageState,
    Payment,
    Source,
    Status,
)
from sevres_familles.sandbox.bank.shop import Shop
from sevres_familles.sandbox.bank.store import PageEnded, Store, TransIdUsed

log = logging.getLogger(__name__)

#: How long a payment page lives, in seconds: the bank's ten minutes.
TEN_MINUTES = 600.0

#: How late a late notification is, and how long a verification takes, in seconds.
TWO_MINUTES = 120.0

#: How long after the browser a notification leaves, if a scenario wants the browser first.
A_MOMENT = 5.0

#: How many cards may be tried on one page.
MOST_TRIES = 3


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
    lateness: float = TWO_MINUTES
    a_moment: float = A_MOMENT
    clock: Callable[[], float] = time.time

    def open_page(self, fields: Mapping[str, str]) -> Page:
        """Open a payment page for a shop's form.

        :raises FormRefused: when the bank would not take the form.
        """
        # A shop's clock is the machine's: no button puts it forward.
        check(fields, self.shop, datetime.now(UTC))
        kept = {name: value for name, value in fields.items() if name.startswith("vads_")}
        page = Page(secrets.token_urlsafe(24), kept, self.clock())
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

        :returns: whether this try has ended; if not, the challenge comes next.
        :raises CardFaults: when something typed is to be mended.
        :raises PageEnded: when another tab or click was first.
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
        :raises PageEnded: when another tab or click was first.
        """
        if page.held is None:  # answered without having been asked
            raise PageUnknown(page.token)
        scenario = scenario_behind(page.held.number)
        if not scenario.authenticates:
            self._charge(page, page.held, scenario, "FAILED")
        elif code == CHALLENGE_CODE:
            self._charge(page, page.held, scenario, "CHALLENGE")
        else:
            raise WrongCode

    def may_try_again(self, page: Page) -> bool:
        """Tell whether another card may be tried on a page where one was refused."""
        is_alive = self.clock() - page.opened_at <= self.page_life
        return page.state is not PageState.ENDED and is_alive and self.store.tries(page.token) < MOST_TRIES

    def abandon(self, page: Page) -> None:
        """End a page because the payer goes back without paying.

        :raises PageEnded: when the page was ended meanwhile.
        """
        self._end(page, (self._abandoned(page),), (), Delivery.BEFORE_RETURN, ends=True)

    def notify_again(self, payment: Payment) -> None:
        """Send the notification of a payment once more, and wait for the answer."""
        number = self.store.notify(Notice(payment.uuid, self.clock(), Source.BO))
        self.courier.wake()
        self.courier.wait_for(number)

    def _charge(self, page: Page, card: HeldCard, scenario: Scenario, authentication: str) -> None:
        tried = self._tried(page, card, authentication)
        outcome = accepted(tried, scenario) if scenario.accepted else refused(tried, scenario)
        outcomes: tuple[Payment, ...] = (outcome,)
        if scenario.disordered:
            again = replace(outcome, uuid=uuid.uuid4().hex, sequence=(outcome.sequence or 0) + 1)
            outcomes = (refused(tried, scenario), again)
        ends = scenario.accepted or (tried.sequence or 0) >= MOST_TRIES
        self._end(page, outcomes, self._more_notices(outcomes, scenario), scenario.delivery, ends, scenario.forged)
        if scenario.accepted and card.receipt_to:
            mail = receipt_of(outcomes[-1], self.shop.merchant, card.receipt_to)
            self.store.note_receipt(outcomes[-1].uuid, self.post_office.send(mail))

    def _more_notices(self, outcomes: Sequence[Payment], scenario: Scenario) -> tuple[Notice, ...]:
        """Return what is told after the first notification, which is that of the last outcome."""
        now, last = self.clock(), outcomes[-1]
        notices = []
        if scenario.twice:
            notices.append(Notice(last.uuid, now, after_last=True))
        if scenario.disordered:
            notices.append(Notice(outcomes[0].uuid, now, after_last=True))
        if scenario.verified:
            notices.append(Notice(last.uuid, now + self.lateness, Source.BATCH, after_last=True))
        return tuple(notices)

    def _tried(self, page: Page, card: HeldCard, authentication: str) -> Payment:
        """Return a try with a card, before anyone has answered."""
        return replace(
            self._abandoned(page),
            sequence=self.store.tries(page.token) + 1,
            card=card.number,
            expiry_month=card.month,
            expiry_year=card.year,
            authentication=authentication,
        )

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

    def _end(
        self,
        page: Page,
        outcomes: Sequence[Payment],
        more: Sequence[Notice],
        delivery: Delivery,
        ends: bool,
        forged: bool = False,
    ) -> None:
        """Commit what came of a page; tell the shop after, and wait for its answer."""
        delay = {Delivery.LATE: self.lateness, Delivery.AFTER_RETURN: self.a_moment}.get(delivery, 0.0)
        state = NotificationState.LOST if delivery is Delivery.LOST else NotificationState.WAITING
        first = Notice(outcomes[-1].uuid, self.clock() + delay, Source.PAY, state, forged)
        notices = (first, *more) if page.notification_address else ()
        numbers = self.store.end_try(page, outcomes, notices, ends=ends)
        log.info("%s: %s", page.order_id, outcomes[-1].status)
        self.courier.wake()
        if numbers and delivery is Delivery.BEFORE_RETURN:
            self.courier.wait_for(numbers[0])


def accepted(tried: Payment, scenario: Scenario) -> Payment:
    """Return a try as the payer's bank accepts it."""
    return replace(
        tried,
        amount=max(tried.amount // 2, 1) if scenario.halved else tried.amount,
        status=Status.UNDER_VERIFICATION if scenario.verified else Status.AUTHORISED,
        result="00",
        auth_result="00",
        auth_number=secrets.token_hex(3),
        certificate=secrets.token_hex(20),
    )


def refused(tried: Payment, scenario: Scenario) -> Payment:
    """Return a try as the payer's bank refuses it; it is not even asked without authentication."""
    answer = scenario.auth_result if scenario.auth_result != "00" else "05"
    return replace(
        tried,
        status=Status.REFUSED,
        result="96" if answer == "96" else "05",
        auth_result=answer if scenario.authenticates else None,
    )
