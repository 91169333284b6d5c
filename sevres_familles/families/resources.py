"""Nodes of the families area, and what makes an import show all at once.

An import writes in many small transactions, into objects that families are reading.  Everything it writes carries the
number of its lot, and shows only when that lot is published: one tiny transaction (`Lots.publish`).  Killed anywhere,
nothing shows, and the next run takes it away.
"""

from datetime import datetime
from typing import Any, NamedTuple

from persistent import Persistent
from pyramid.authorization import Allow

from sevres_familles.domain.family import FamilyRecord, pack_record, unpack_record
from sevres_familles.identity.services import can_be_written_to
from sevres_familles.web.container import Container, Node
from sevres_familles.web.security import DENY_ALL, Permission, family_principal


class Lots(Persistent):
    """The import lots: the last one given out, and the last one that shows.

    One import runs at a time, and takes the remains of one that died away before it starts: so every lot up to the last
    published one shows, and nothing else does.
    """

    given: int = 0
    published: int = 0

    def give(self) -> int:
        """Give the number of a new lot."""
        self.given += 1
        return self.given

    def publish(self, lot: int) -> None:
        """Let a lot show.

        :raises ValueError: when it is not the one given last, or shows already.
        """
        if lot != self.given or lot <= self.published:
            raise ValueError(f"lot {lot} cannot be published")
        self.published = lot

    def shows(self, lot: int) -> bool:
        """Tell whether what a lot wrote shows."""
        return lot <= self.published


class Staged(NamedTuple):
    """A value that takes the place of another once its lot is published."""

    lot: int
    value: Any


class DeliveryChoice(NamedTuple):
    """How a family wants its invoices from a moment on: on line alone, or on paper; ``by`` is who said so."""

    at: datetime
    electronic: bool
    by: str


class Families(Container):
    """All the families, by code."""

    __acl__ = (DENY_ALL,)

    def __getitem__(self, code: str) -> "Family":
        """Find a family that shows.

        :raises KeyError: when there is none.
        """
        family: Family = super().__getitem__(code)
        if family.packed_record is None:
            raise KeyError(code)
        return family

    def __contains__(self, code: str) -> bool:
        family = self._nodes.get(code)
        return family is not None and family.packed_record is not None

    def staged(self, code: str) -> "Family | None":
        """Find a family for an import, shown or not."""
        family: Family | None = self._nodes.get(code)
        return family


class Family(Node):
    """One family: its record, and its accounts with the régies.

    ``nodes`` are what stands under it (its accounts, which `sevres_familles.regies` adds).
    """

    crumb = "Accueil"

    #: The record that shows, unless ``staged`` holds a later one: packed, as `domain.family` writes it.
    _record: str | None = None
    _staged: Staged | None = None
    #: Every choice of how invoices are delivered, in order, until the family is forgotten.  Imports leave it alone.
    delivery_choices: tuple[DeliveryChoice, ...] = ()

    def __init__(self, code: str, lots: Lots) -> None:
        self.code = code
        self.lots = lots
        self.nodes: dict[str, Node] = {}

    @property
    def __acl__(self) -> tuple[Any, ...]:
        return (
            (
                Allow,
                family_principal(self.code),
                (Permission.FAMILY_VIEW, Permission.INVOICE_VIEW, Permission.INVOICE_PAY, Permission.PAYMENT_VIEW),
            ),
            DENY_ALL,
        )

    def __getitem__(self, name: str) -> Node:
        """Find what stands under the family.

        :raises KeyError: when there is nothing of that name.
        """
        return self.nodes[name]

    @property
    def packed_record(self) -> str | None:
        """The record that shows, as it is stored; none for a family whose import is not published."""
        if self._staged is not None and self.lots.shows(self._staged.lot):
            return self._staged.value  # type: ignore[no-any-return]
        return self._record

    @property
    def record(self) -> FamilyRecord | None:
        """The record that shows; none for a family whose import is not published."""
        packed = self.packed_record
        return unpack_record(packed) if packed is not None else None

    @property
    def changed_in(self) -> int | None:
        """The lot that wrote the record that shows, as far as it is known."""
        return self._staged.lot if self._staged is not None and self.lots.shows(self._staged.lot) else None

    @property
    def wants_no_paper(self) -> bool:
        """What the family said last; paper, when it said nothing."""
        return bool(self.delivery_choices) and self.delivery_choices[-1].electronic

    @property
    def electronic_only(self) -> bool:
        """Whether invoices go on line alone: the family chose so, and can still be told of them."""
        if not self.wants_no_paper:
            return False
        portal: Any = self.__parent__.__parent__  # type: ignore[union-attr]
        return can_be_written_to(portal, self.code)

    def choose_delivery(self, choice: DeliveryChoice) -> None:
        """Add a choice to those made before."""
        self.delivery_choices = (*self.delivery_choices, choice)

    def stage(self, lot: int, record: FamilyRecord) -> None:
        """Write a record that shows when the lot is published."""
        self.stage_packed(lot, pack_record(record))

    def stage_packed(self, lot: int, packed: str) -> None:
        """Write a record that is packed already, as an import has it."""
        self._record = self.packed_record
        self._staged = Staged(lot, packed)

    def forget(self) -> None:
        """Forget who the family was and what it chose: it shows no more, unless a later import brings it again."""
        self._record = self._staged = None
        self.delivery_choices = ()

    def unstage(self) -> bool:
        """Take away what an import that died left, and tell whether no record is left."""
        if self._staged is not None and not self.lots.shows(self._staged.lot):
            self._staged = None
        return self._record is None and self._staged is None
