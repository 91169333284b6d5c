"""The one shop that has an account at this bank."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Merchant:
    """The shop as the payer reads it, in the words of the page of 2009."""

    name: str
    address: str
    phone: str


@dataclass(frozen=True)
class Shop:
    """A shop's account: who it is, and the secrets it shares with the bank."""

    site_id: str
    mode: str
    key: str = field(repr=False)
    rest_password: str = field(repr=False)
    merchant: Merchant
