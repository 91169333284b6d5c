"""Nodes of the payments area: the payments, and the doors where banks notify."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from BTrees.OOBTree import OOBTree
from pyramid.authorization import Allow, Everyone
from pyramid.request import Request

from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import (
    OPEN_STATES,
    PAID_STATES,
    Evidence,
    MoneyFact,
    PaymentState,
    Share,
)
from sevres_familles.payments.gateways.port import BankForm, BankOrder, Departure
from sevres_familles.regies.resources import FamilyAccount
from sevres_familles.web.container import Container, Node
from sevres_familles.web.frame import Link, crumbs_to
from sevres_familles.web.security import DENY_ALL, Permission, family_principal


class Receipt(NamedTuple):
    """Proof that money came in: one a bank transaction, numbered without a gap per régie and year."""

    number: str
    at: datetime
    amount: Money
    transaction: str
    authorisation: str
    shares: tuple[Share, ...]
    unclassified: Money


class Unmatched(NamedTuple):
    """Money that we booked and that no journal of the bank has shown yet; ``is_told`` once staff were alerted."""

    reference: str
    at: datetime
    is_told: bool


class Moment(NamedTuple):
    """A step of a payment's story, as it is told to people."""

    at: datetime
    state: PaymentState


class Payment(Node):
    """One attempt to pay invoices of one account at the bank.

    ``shares`` (what each invoice was to take) is frozen; ``held`` is what each took, refunds off, and ``unclassified``
    what none could.  ``evidence`` is what the bank said, each message once; ``posted`` the money facts booked from it.
    """

    #: Whether staff were told that the bank keeps it pending.
    long_pending: bool = False
    #: The operations, by the bank's identifier, that its journals have shown for the sum that we booked.
    reconciled: frozenset[str] = frozenset()

    def __init__(
        self,
        account: FamilyAccount,
        shares: tuple[Share, ...],
        departure: Departure,
        *,
        email: str,
        at: datetime,
    ) -> None:
        self.account = account
        self.shares = shares
        self.order: BankOrder = departure.order
        self.form: BankForm = departure.form
        self.email = email
        self.opened_at = at
        self.state = PaymentState.CREATED
        self.story: tuple[Moment, ...] = (Moment(at, self.state),)
        self.evidence: tuple[Evidence, ...] = ()
        self.posted: frozenset[MoneyFact] = frozenset()
        self.held: dict[str, Money] = {}
        self.unclassified = ZERO
        self.receipts: tuple[Receipt, ...] = ()

    @property
    def reference(self) -> str:
        """Its reference, as on its address: ``P-7KQ4M2XDN``."""
        return self.__name__ or self.order.reference

    @property
    def family_code(self) -> str:
        """The code of the family that pays."""
        return self.account.family.code

    @property
    def amount(self) -> Money:
        """What the bank was asked to take."""
        return sum((share.amount for share in self.shares), ZERO)

    @property
    def received(self) -> Money:
        """What the bank took, whatever went back since."""
        return sum((receipt.amount for receipt in self.receipts), ZERO)

    @property
    def given_back(self) -> Money:
        """What went back of it."""
        return sum((fact.amount for fact in self.posted if not fact.takes), ZERO)

    @property
    def is_open(self) -> bool:
        """Whether the bank may still be about to take the money."""
        return self.state in OPEN_STATES

    @property
    def is_paid(self) -> bool:
        """Whether money was taken."""
        return self.state in PAID_STATES

    @property
    def settled_at(self) -> datetime:
        """When it came to the state it is in."""
        return self.story[-1].at

    @property
    def __acl__(self) -> tuple[Any, ...]:
        return ((Allow, family_principal(self.family_code), (Permission.PAYMENT_VIEW,)), DENY_ALL)

    def crumbs(self, request: Request) -> list[Link]:
        """Give the way to it: through the family's home and its payments."""
        family = self.account.family
        return [*crumbs_to(family, request), Link("Vos paiements", request.resource_url(family, "paiements"))]

    def move(self, state: PaymentState, at: datetime) -> None:
        """Go to a state, and note when; staying is no move."""
        if state != self.state:
            self.state = state
            self.story = (*self.story, Moment(at, state))


class Payments(Container):
    """All the payments, by reference.

    ``to_ask`` says when the bank is to be asked about which, ``unanswered`` since when it was asked in vain, and
    ``left_to_staff`` since when it is asked no more about those that have no end; ``of_family`` lists the payments of
    each family, oldest first; ``bank_orders`` keeps the bank's transaction numbers, used once a day each;
    ``transactions`` tells which payment each operation of the bank is about, by the bank's own identifier (requirements
    R2); ``unmatched`` lists, by the same identifier, the money that no journal has shown yet (requirements R6).
    """

    __acl__ = ((Allow, Everyone, (Permission.NOTIFICATION_RECEIVE,)), DENY_ALL)

    def __init__(self) -> None:
        super().__init__()
        self.to_ask: OOBTree = OOBTree()
        self.unanswered: OOBTree = OOBTree()
        self.left_to_staff: OOBTree = OOBTree()
        self.of_family: OOBTree = OOBTree()
        self.bank_orders: OOBTree = OOBTree()
        self.transactions: OOBTree = OOBTree()
        self.unmatched: OOBTree = OOBTree()
        self.doors: NotificationDoors | None = None

    def __getitem__(self, name: str) -> Any:
        """Find a payment, or the banks' doors.

        :raises KeyError: when there is none.
        """
        if name == NotificationDoors.address:
            return self.doors
        return super().__getitem__(name)

    def find(self, reference: str) -> Payment | None:
        """Find a payment, or none."""
        payment: Payment | None = self._nodes.get(reference)
        return payment

    def add_doors(self, doors: "NotificationDoors") -> "NotificationDoors":
        """Put the banks' doors beside the payments."""
        doors.__name__, doors.__parent__ = NotificationDoors.address, self
        self.doors = doors
        return doors

    def add_payment(self, payment: Payment) -> None:
        """Put a new payment in its place and in the lists."""
        self.add(payment.order.reference, payment)
        code = payment.family_code
        self.of_family[code] = (*self.of_family.get(code, ()), payment.reference)
        self.bank_orders[bank_order_key(payment.order)] = payment.reference

    def forget(self, payment: Payment) -> None:
        """Take a payment out, of the lists too, once its time is over."""
        reference, code = payment.reference, payment.family_code
        self.of_family[code] = tuple(each for each in self.of_family[code] if each != reference)
        self.bank_orders.pop(bank_order_key(payment.order), None)
        for evidence in payment.evidence:
            if self.transactions.get(evidence.transaction) == reference:
                del self.transactions[evidence.transaction]
                self.unmatched.pop(evidence.transaction, None)
        for each in (self.to_ask, self.unanswered, self.left_to_staff):
            each.pop(reference, None)
        self.remove(reference)

    def ask_at(self, reference: str, moment: datetime) -> None:
        """Note when the bank is to be asked about a payment."""
        self.to_ask[reference] = moment
        self.left_to_staff.pop(reference, None)

    def ask_no_more(self, payment: Payment, at: datetime) -> None:
        """Note that the bank was asked about a payment long enough: one that has no end is left to staff."""
        self.to_ask.pop(payment.reference, None)
        if payment.is_open:
            self.left_to_staff[payment.reference] = at

    def of(self, code: str) -> Iterator[Payment]:
        """Go through the payments of a family, the newest first."""
        return (self._nodes[reference] for reference in reversed(self.of_family.get(code, ())))


def bank_order_key(order: BankOrder) -> str:
    """Give what the bank wants unique: the UTC day and the transaction number, without case (payments.md §2)."""
    return f"{order.transaction_date[:8]}-{order.transaction_id.upper()}"


class NotificationDoors(Container):
    """Where banks notify: one door a gateway."""

    address = "notifications"


class NotificationDoor(Node):
    """The door of one gateway, of that name."""
