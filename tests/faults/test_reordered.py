"""F9: the bank's messages come in every order, twice, three days late, before we are ready, or never."""

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from webtest import TestApp

from sevres_familles.domain.payment import PaymentState
from sevres_familles.payments.asking import ask_all
from sevres_familles.payments.services import hand_over, open_payment
from tests import factories
from tests.conftest import StoppedClock, make_app, portal_stored, settings_in
from tests.faults.effort import LONG
from tests.faults.modelbank import ModelBank, Operation
from tests.faults.restdoor import Door, open_door
from tests.oracle import differences
from tests.payments.making import AT, KEY, SITE

DOOR = "/paiements/notifications/systempay"
#: What happens at the bank for one order: R refused, A abandoned, P paid, U under verification (then paid).
STORIES = (
    ("RP", "AP", "PA", "UP", "UR")
    if not LONG
    else ("R", "A", "P", "RP", "AP", "PA", "PR", "RRP", "RAP", "UP", "UR", "RUP")
)
STATUSES = {"R": "REFUSED", "A": "ABANDONED", "P": "AUTHORISED", "U": "UNDER_VERIFICATION"}
WHEN = ("at once", "three days late", "before the browser left", "never")


class Told:
    """A portal, and the bank that tells it."""

    def __init__(self, app: Any, clock: StoppedClock, door: Door) -> None:
        self.app, self.clock = app, clock
        self.registry = app.registry
        self.bank = ModelBank(KEY, clock.now, random.Random(9))
        door.behave = door.says(self.bank.answer)
        self._door = door
        self._code = 30000

    def depart(self, *, has_left: bool = True) -> tuple[str, str]:
        """Open a payment of a new family, and its page at the bank: (family code, reference)."""
        self._code += 1
        code = str(self._code)
        with portal_stored(self.registry) as portal:
            factories.store_invoice(factories.store_family(portal, code))
            payment = open_payment(
                portal,
                self.registry.gateways["systempay"],
                portal["familles"][code]["comptes"]["scolaire"],
                ["2026-9161"],
                email="",
                return_url="http://localhost/paiements/{reference}/retour",
                notify_url=f"http://localhost{DOOR}",
                at=self.clock.now(),
            )
            self.bank.open_page(dict(payment.form.fields))
            if has_left:
                self.leave(portal, payment)
            return code, payment.reference

    def leave(self, portal: Any, payment: Any) -> None:
        now = self.clock.now()
        hand_over(portal["paiements"], payment, first_ask=now + timedelta(seconds=30), at=now)

    def live(self, reference: str, story: str) -> list[bytes]:
        """Let a story happen at the bank, and give the messages that it would send."""
        first = len(self.bank.messages)
        for number, letter in enumerate(story, start=1):
            status = STATUSES[letter]
            verified = [
                each for each in self.bank.operations if each.order == reference and each.status == STATUSES["U"]
            ]
            if verified:
                verified[0].status = status
                self.bank._tell(verified[0], "BATCH")
            else:
                uuid = f"{reference}-{number}"
                self.bank._add(Operation(uuid, reference, 6000, status, self.clock.now(), number))
        return [message.body for message in self.bank.messages[first:]]

    def tell(self, *bodies: bytes) -> None:
        browser = TestApp(self.app, extra_environ={"HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1"})
        for body in bodies:
            browser.post(DOOR, body, status=200, content_type="application/x-www-form-urlencoded")

    def ask_for(self, **duration: float) -> None:
        """Let time pass, the asking worker asking."""
        end = self.clock.now() + timedelta(**duration)
        while self.clock.now() < end:
            self.clock.advance(seconds=max(30.0, (end - self.clock.now()).total_seconds() / 8))
            ask_all(self.registry)

    def faults(self, folder: Any) -> tuple[str, ...]:
        self.bank.write(folder / "bank.sqlite")
        with portal_stored(self.registry) as portal:
            return differences(folder / "bank.sqlite", portal)

    def look(self, code: str, reference: str) -> tuple[PaymentState, int, str | None]:
        with portal_stored(self.registry) as portal:
            payment = portal["paiements"][reference]
            return payment.state, len(payment.posted), payment.account["2026-9161"].open_payment


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    clock = StoppedClock(AT)
    with open_door() as door:
        ini = settings_in(folder) | {"sevres.bank_rest_url": door.url, "sevres.bank_site_id": SITE}
        secrets = folder / "var" / "secrets"
        secrets.mkdir(mode=0o700, parents=True)
        (secrets / "bank.key").touch(mode=0o600)
        (secrets / "bank.key").write_text(KEY)
        app = make_app(ini, clock)
        yield Told(app, clock, door)
        for database in app.registry._zodb_databases.values():
            database.close()


def is_paid_by(story: str) -> bool:
    return "P" in story


@pytest.mark.parametrize("when", WHEN)
@pytest.mark.parametrize("story", STORIES)
def test_the_end_is_what_the_bank_s_books_say(told: Told, tmp_path, story, when):
    known = []
    for order in sorted(set(permutations(range(len(story))))) if when != "never" else [()]:
        code, reference = told.depart(has_left=when != "before the browser left")
        messages = told.live(reference, story)
        if when == "three days late":
            told._door.behave = told._door.closes  # nor does it answer meanwhile
            told.ask_for(days=3)
            told._door.behave = told._door.says(told.bank.answer)
        for place in order:
            told.tell(messages[place], messages[place])
        if when == "never":
            told.ask_for(minutes=1)
        known.append((order, *told.look(code, reference)))
    told.ask_for(minutes=20)

    for order, state, posted, shield in known:
        assert posted == is_paid_by(story), (order, state)
        assert (state is PaymentState.ACCEPTED) == is_paid_by(story), (order, state)
        assert shield is None or state is PaymentState.PENDING, (order, state)
    assert told.faults(tmp_path) == ()


@pytest.mark.parametrize("story", STORIES)
def test_a_bank_that_adds_a_field_to_its_messages_is_asked_and_the_end_is_what_its_books_say(
    told: Told, tmp_path, story
):
    told.bank.added = {"new_field": "x"}
    try:
        code, reference = told.depart()
        told.tell(*told.live(reference, story))
    finally:
        told.bank.added = {}
    unclear = told.look(code, reference)

    told.ask_for(minutes=20)

    assert unclear == (PaymentState.REDIRECTED, 0, reference)
    state, posted, shield = told.look(code, reference)
    assert (state is PaymentState.ACCEPTED, posted, shield) == (is_paid_by(story), is_paid_by(story), None)
    assert told.faults(tmp_path) == ()
