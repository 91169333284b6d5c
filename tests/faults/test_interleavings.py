"""F13: people, tabs, workers and the bank act on the same invoices in any order; a small model says what must come.

A run is one family on two devices, each of which may double-click, go back, come again; a bank (`modelbank`) whose
messages come late, again, in any order, or never; the asking worker; the merchant; imports.  They act through the whole
application and take turns at the bounds of transactions (`scheduling`), on connections of their own to one database.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import ZODB
from pyramid_retry import IBeforeRetry
from webob import Request, Response
from ZODB.DemoStorage import DemoStorage

from sevres_familles.domain.payment import OPEN_STATES, PAID_STATES, EvidenceKind
from sevres_familles.payments import asking
from sevres_familles.payments import turns as booking_turns
from sevres_familles.payments.checking import account_faults, payment_faults
from sevres_familles.payments.gateways.systempay import SystemPayGateway
from sevres_familles.regies.exchange.running import run as take_files
from sevres_familles.regies.exchange.workspace import ImportRunning
from tests.conftest import NOW, StoppedClock, browser_of, make_app, portal_stored, settings_in
from tests.faults.effort import draws, seeds
from tests.faults.modelbank import ModelBank
from tests.faults.scheduling import Turns, pausing
from tests.identity.helpers import PASSWORD, give_password, sign_in
from tests.oracle import differences
from tests.regies.exchange.making import Folder, cents, family, invoice, line

CODE = "26719"
BILLS = {"1": "60,00", "2": "42,80", "3": "7,15"}
NAMES = [f"2026-{number}" for number in BILLS]
#: What billing may say meanwhile of invoices 1 and 2.
NEWS: tuple[Mapping[str, str], ...] = (
    {"left": "20,00"},
    {"left": "0,00", "état": "payée au guichet"},
    {"left": "0,00", "état": "annulée"},
    {"état": "transmise au Trésor"},
)
ACCOUNT = f"/familles/{CODE}/comptes/scolaire"
_INPUT = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')

BANK = "http://127.0.0.1:6544/banque/vads-payment/"

Form = list[tuple[str, str]]


def inputs_of(page: Response, action: str) -> Form:
    """Read the hidden inputs of the form of a page that goes to an address."""
    _, _, form = page.text.partition(f'{action}" method="post"')
    return _INPUT.findall(form.partition("</form>")[0])


class AnsweringGateway(SystemPayGateway):
    """The gateway, whose questions reach the model instead of a network: others act while it waits."""

    bank: ModelBank
    pause: Callable[[], None]

    def _post(self, service: str, payload: Mapping[str, str]) -> dict[str, Any] | None:
        assert service == "Order/Get"
        self.pause()
        answer = self.bank.answer(payload["orderId"])
        self.pause()
        return answer


class World:
    """The portal with one family signed in on two devices: each run begins there, on a layer of its own."""

    def __init__(self, folder: Path) -> None:
        self.clock = StoppedClock(NOW)
        ini = settings_in(folder) | {"sevres.ask_delays": "30 60", "sevres.ask_daily_for": "86400"}
        self.app = make_app(ini, self.clock)
        self.registry = self.app.registry
        self.base = self.registry._zodb_databases[""]
        self.counts: Counter[str] = Counter()
        self.bank_file = folder / "bank.sqlite"
        self.gateway = AnsweringGateway.from_settings(self.registry.settings_of_portal)
        self.registry.gateways = {"systempay": self.gateway}
        self.registry.registerHandler(self._count_conflict, [IBeforeRetry])
        files = Folder(folder / "files", self.registry)
        taken = files.take(
            familles=[family(CODE)],
            factures=[invoice(number, CODE, total) for number, total in BILLS.items()],
            lignes=[line(number, total) for number, total in BILLS.items()],
        )
        assert taken.lot == 1, taken.faults.report()
        self.news = [self._news(folder / str(number), each) for number, each in enumerate(NEWS)]
        with portal_stored(self.registry) as portal:
            give_password(portal, self.registry, CODE)
        self.devices = [self._device() for _ in range(2)]

    def _news(self, folder: Path, cells: Mapping[str, str]) -> Path:
        rows = [invoice(number, CODE, BILLS[number], **cells) for number in ("1", "2")]
        (path,) = Folder(folder, self.registry).files(factures=rows)
        return path

    def _count_conflict(self, _: Any) -> None:
        self.counts["tried again"] += 1

    def _device(self) -> str:
        browser = browser_of(self.app)
        assert sign_in(browser, CODE, PASSWORD).status_int == 303
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookiejar)


class Run:
    """One interleaving, drawn from a seed."""

    def __init__(self, world: World, drawing: Random) -> None:
        self.world, self.drawing = world, drawing
        self.counts, self.registry, self.clock = world.counts, world.registry, world.clock
        self.clock.moment = NOW
        settings = self.registry.settings_of_portal
        key = settings.read_secret(settings.bank_key_file).decode()
        self.bank = ModelBank(key, self.clock.now, drawing)
        self.turns = Turns(drawing)
        world.gateway.bank, world.gateway.pause = self.bank, self.turns.pause
        self.has_news = self.has_merchant = False
        #: What was under way on each invoice when last looked at, and the transaction that was last seen.
        self._known: set[str] = set()
        self._seen: Any = None

    def play(self) -> None:
        """Let everybody act to the end, then the bank be heard, and judge."""
        drawing = self.drawing
        layer = DemoStorage(base=self.world.base.storage, close_base_on_close=False)
        database = ZODB.DB(layer, pool_size=20)
        self.registry._zodb_databases[""] = database
        try:
            for device in drawing.choices(self.world.devices, k=drawing.choice((2, 2, 3))):
                self.turns.add(partial(self.person, device))
            for _ in range(2):
                self.turns.add(self.courier)
            self.turns.add(self.asker)
            if drawing.random() < 0.3:
                self.turns.add(self.billing)
            if drawing.random() < 0.25:
                self.turns.add(self.merchant)
            self.turns.run(self.look)
            self.hear_the_bank()
            self.judge()
        finally:
            database.close()
            self.registry._zodb_databases[""] = self.world.base

    # Those who act.

    def person(self, cookies: str) -> None:
        """Choose, review, confirm, go to the bank, come back, and start again."""
        drawing = self.drawing
        for _ in range(drawing.randint(1, 2)):
            names = drawing.sample(NAMES, drawing.choice((1, 1, 2, 3)))
            query = urlencode([("facture", name) for name in names])
            page = self.ask(cookies, "GET", f"{ACCOUNT}/payer?{query}")
            if page.status_int != 200:
                assert page.status_int == 409, page
                self.counts["blocked at the review"] += 1
                continue
            form = inputs_of(page, f"{ACCOUNT}/payer")
            if drawing.random() < 0.3:
                self.turns.add(partial(self.confirm, cookies, form))
            reference = self.confirm(cookies, form)
            if reference is not None:
                self.visit_bank(cookies, reference)
            if drawing.random() < 0.2:
                self.counts["back and confirmed again"] += 1
                self.confirm(cookies, form)

    def confirm(self, cookies: str, form: Form) -> str | None:
        """Press « Confirmer »: the reference of the payment, none when it was refused."""
        answer = self.ask(cookies, "POST", f"{ACCOUNT}/payer", form)
        if answer.status_int != 303:
            assert answer.status_int == 409, answer
            self.counts["refused at the confirmation"] += 1
            return None
        self.counts["opened"] += 1
        path = urlsplit(answer.location).path
        assert path.endswith("/continuer"), answer.location
        return path.split("/")[-2]

    def visit_bank(self, cookies: str, reference: str) -> None:
        """Go to the bank, try cards there or leave, go back and there again, and come back or not."""
        drawing = self.drawing
        page = None
        for _ in range(drawing.choice((1, 1, 2))):
            way = self.ask(cookies, "GET", f"/paiements/{reference}/continuer")
            if way.status_int == 303:
                self.counts["too late for the bank"] += 1
                break
            page = self.bank.open_page(dict(inputs_of(way, BANK))) or page
            for _ in range(drawing.randint(0, 2)):
                self.turns.pause()
                if page is not None:
                    outcomes = ("AUTHORISED", "AUTHORISED", "REFUSED", "ABANDONED", "UNDER_VERIFICATION")
                    self.bank.try_card(page, drawing.choice(outcomes))
        if drawing.random() < 0.3:
            assert self.ask(cookies, "GET", f"/paiements/{reference}/retour").status_int == 303
            assert self.ask(cookies, "GET", f"/paiements/{reference}/").status_int == 200

    def courier(self) -> None:
        """Bring messages of the bank: any of those written so far, once or several times."""
        for _ in range(self.drawing.randint(2, 5)):
            self.turns.pause()
            if self.bank.messages:
                place = self.drawing.randrange(len(self.bank.messages))
                message = self.bank.messages[place]
                if self.drawing.random() < 0.7:
                    del self.bank.messages[place]
                self.tell(message.body)

    def asker(self) -> None:
        """Go round asking, as time passes."""
        for _ in range(self.drawing.randint(1, 3)):
            self.turns.pause()
            self.clock.advance(seconds=self.drawing.choice((10, 60, 300)))
            asking.ask_all(self.registry)

    def billing(self) -> None:
        """Take a file in that says something else of two invoices."""
        self.turns.pause()
        self.has_news = True
        try:
            taken = take_files(self.registry, [self.drawing.choice(self.world.news)], at=self.clock.now())
        except ImportRunning:
            self.counts["import refused"] += 1
            return
        assert not taken.faults, taken.faults.report()
        self.counts["imported"] += taken.lot is not None

    def merchant(self) -> None:
        """Cancel or give back at the bank what it took, if it did."""
        for _ in range(3):
            self.turns.pause()
            taken = [each for each in self.bank.operations if each.takes]
            if taken:
                self.has_merchant = True
                operation = self.drawing.choice(taken)
                if self.drawing.random() < 0.5:
                    self.bank.cancel(operation)
                else:
                    self.bank.give_back(operation, self.drawing.choice((operation.amount, 100)))
                return

    # What they do it with.

    def ask(self, cookies: str, method: str, path: str, form: Form | None = None) -> Response:
        """Ask the portal as a browser does, in a slice of its own."""
        self.turns.pause()
        request = Request.blank(path, base_url="http://localhost", method=method, POST=form)
        request.headers.update({"Cookie": cookies, "Referer": "http://localhost/"})
        request.environ["REMOTE_ADDR"] = "192.0.2.1"
        return self._answer(request)

    def tell(self, body: bytes) -> None:
        """Post a message of the bank."""
        path = "/paiements/notifications/systempay"
        request = Request.blank(path, base_url="http://localhost", method="POST", body=body)
        request.content_type = "application/x-www-form-urlencoded"
        request.environ["REMOTE_ADDR"] = "127.0.0.1"
        answer = self._answer(request)
        assert answer.status_int == 200, answer

    def _answer(self, request: Request) -> Response:
        return request.get_response(self.world.app)

    # What must hold.

    def look(self) -> None:
        """Look at what the last slice committed: shields, shares, chains (INV5, INV6)."""
        database = self.registry._zodb_databases[""]
        if database.lastTransaction() == self._seen:
            return
        self._seen = database.lastTransaction()
        with portal_stored(self.registry) as portal:
            account = portal["familles"][CODE]["comptes"]["scolaire"]
            assert list(account_faults(account, account.entries())) == []
            under_way: dict[str, list[Any]] = {name: [] for name in NAMES}
            for payment in portal["paiements"].values():
                assert list(payment_faults(payment)) == [], payment.reference
                if payment.reference not in self._known:
                    # What leaves for the bank is what the files that show ask for, at that very commit.
                    assert all(share.amount == account[share.invoice].left() for share in payment.shares)
                if payment.state in OPEN_STATES:
                    for share in payment.shares:
                        under_way[share.invoice].append(payment)
            for payments in under_way.values():
                self._look_at_shield(payments)
            self._known = set(portal["paiements"])

    def _look_at_shield(self, payments: list[Any]) -> None:
        """One attempt at most is under way on an invoice, but for those that the bank took up again by itself."""
        begun = [each for each in payments if EvidenceKind.PENDING not in {told.kind for told in each.evidence}]
        assert len(begun) <= 1, [(each.reference, each.state) for each in payments]
        new = [each for each in payments if each.reference not in self._known]
        assert not new or len(payments) == 1, [(each.reference, each.state) for each in payments]

    def hear_the_bank(self) -> None:
        """Bring the messages that are left but some that the asking worker makes up for, and ask until all is known."""
        self.bank.settle_verifications()
        self.drawing.shuffle(self.bank.messages)
        for message in self.bank.messages:
            with portal_stored(self.registry) as portal:
                is_asked = message.order in portal["paiements"].to_ask
            if message.may_be_lost and is_asked and self.drawing.random() < 0.5:
                self.counts["lost"] += 1
            else:
                self.tell(message.body)
        for _ in range(20):
            self.clock.advance(minutes=3)
            asking.ask_all(self.registry)
            with portal_stored(self.registry) as portal:
                if not portal["paiements"].to_ask:
                    break
                self.clock.moment = max(self.clock.moment, *portal["paiements"].to_ask.values())

    def judge(self) -> None:
        """Compare with the bank's file, and with the model: nothing under way, each payment as the bank left it."""
        self.bank.write(self.world.bank_file)
        with portal_stored(self.registry) as portal:
            assert differences(self.world.bank_file, portal, NOW.date()) == ()
            taken = {each.order for each in self.bank.operations if each.takes or each.status == "CANCELLED"}
            for payment in portal["paiements"].values():
                assert payment.state not in OPEN_STATES, payment.reference
                is_paid = payment.state in PAID_STATES
                assert is_paid <= (payment.reference in taken), payment.reference
                late = sum(moment.state in PAID_STATES for moment in payment.story[1:]) and any(
                    moment.state not in OPEN_STATES | PAID_STATES for moment in payment.story
                )
                self.counts["paid"] += is_paid
                self.counts["late success"] += bool(late)
                self.counts["set aside"] += bool(payment.unclassified)
            if not (self.has_news or self.has_merchant):
                self._judge_invoices(portal["familles"][CODE]["comptes"]["scolaire"])

    def _judge_invoices(self, account: Any) -> None:
        """Where nobody else changed anything, an invoice is paid whole if any payment for it was, else not at all."""
        pages = {each.order: each for each in self.bank.operations if each.takes}
        payments = account.__parent__.__parent__.__parent__.__parent__["paiements"]
        covered = {share.invoice for order in pages for share in payments[order].shares}
        for number, total in BILLS.items():
            name = f"2026-{number}"
            assert account[name].paid_online().cents == (cents(total) if name in covered else 0)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = World(tmp_path_factory.mktemp("interleavings"))
    with pausing():
        yield world
    world.base.close()


@pytest.mark.parametrize("slice_of_seeds", seeds(125, 10_000, 250), ids=lambda each: f"{each.start}-{each.stop}")
def test_whoever_comes_in_between_each_invoice_has_one_attempt_and_the_books_are_the_banks(
    world: World, slice_of_seeds: range, monkeypatch: pytest.MonkeyPatch
):
    """Nobody waits for a turn to book, as on machines of their own: the database alone keeps the books right."""
    monkeypatch.setattr(booking_turns, "_PATIENCE", 0.0)
    monkeypatch.setattr(asking, "beat", lambda *_: None)
    world.counts.clear()
    start = time.perf_counter()

    for seed, drawing in draws(slice_of_seeds):
        try:
            Run(world, drawing).play()
        except BaseException as failure:
            failure.add_note(f"seed {seed}")
            raise

    print(f"\n{slice_of_seeds}: {time.perf_counter() - start:.0f} s; {dict(world.counts)}")
    for what in WHAT_HAPPENS:
        assert world.counts[what], f"never: {what}"


#: What a hundred interleavings meet, or they prove nothing.
WHAT_HAPPENS = (
    *("opened", "paid", "blocked at the review", "refused at the confirmation", "back and confirmed again"),
    *("tried again", "lost", "late success", "set aside", "imported"),
)
