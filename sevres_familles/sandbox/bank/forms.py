"""Check the form that a shop posts, as the bank does.

The numbers of the faults are the bank's own, one a field, from its reference of the
payment form (``vads_amount`` is 09, ``signature`` is 00).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlsplit

from sevres_familles.sandbox.bank.shop import Shop
from sevres_familles.sandbox.bank.signature import is_signed

#: How far from now ``vads_trans_date`` may be.
LATEST = timedelta(minutes=60)

#: The most fields a form may have.
MOST_FIELDS = 200

#: The only addresses the sandbox sends anything or anyone to: a host, a port, a path.
#: Nothing before the host (``user@``), and no backslash, which a browser reads as a slash.
_ADDRESS = re.compile(r"https?://(localhost|[0-9.]+|\[::1\])(:[0-9]{1,5})?(/[!-;=?-\[\]-~]*)?")

#: The longest address the bank takes, in characters.
_LONGEST_ADDRESS = 1024

#: ``vads_trans_id`` that the bank keeps for its own back office.
_RESERVED = range(900_000, 1_000_000)


class FormRefused(Exception):
    """The form of the shop is not one the bank takes."""

    def __init__(self, number: str, field: str, reason: str) -> None:
        super().__init__(f"{number} {field}")
        #: The bank's number of the fault, two digits.
        self.number = number
        self.field = field
        #: What is wrong and how to mend it, in French, for whoever builds the shop.
        self.reason = reason


def read_fields(body: bytes) -> dict[str, str]:
    """Return the fields of a urlencoded body.

    :raises FormRefused: when it cannot be read, or says something twice.
    """
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise FormRefused("00", "signature", "Le formulaire est illisible.") from error
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise FormRefused("00", "signature", "Un champ figure deux fois dans le formulaire.")
    return fields


def check(fields: Mapping[str, str], shop: Shop, now: datetime) -> None:
    """Refuse a form that the bank would refuse.

    Uniqueness of ``vads_trans_id`` is the store's to check.

    :raises FormRefused: with the first fault, the signature before all.
    """
    if not is_signed(fields, shop.key):
        raise FormRefused("00", "signature", "La signature ne correspond pas aux champs et à la clé de test.")
    for number, field, holds, reason in _rules(shop, now):
        if not holds(fields.get(field, "")):
            raise FormRefused(number, field, reason)


def is_on_loopback(address: str) -> bool:
    """Tell whether an address leads to this machine, whoever reads it."""
    if len(address) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(address):
        return False
    try:
        host, _port = urlsplit(address).hostname or "", urlsplit(address).port
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:  # no such port, or no such host
        return False


def origin(address: str) -> str:
    """Return the origin (scheme, host and port) of an address."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def bank_time(text: str) -> datetime | None:
    """Read a moment as the bank writes it: fourteen digits, UTC. None if it is not one."""
    if not re.fullmatch(r"[0-9]{14}", text):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


Holds = Callable[[str], bool]
Rule = tuple[str, str, Holds, str]


def _rules(shop: Shop, now: datetime) -> Iterator[Rule]:
    """Yield the bank's number, the field, whether it holds, and what to tell when not."""
    yield "01", "vads_version", _is("V2"), "La version attendue est V2."
    yield "02", "vads_site_id", _is(shop.site_id), "Aucune boutique ne porte ce numéro."
    yield "11", "vads_ctx_mode", _is(shop.mode), "Cette banque ne connaît que le mode TEST."
    yield (
        "03",
        "vads_trans_id",
        _is_transaction,
        "Six lettres ou chiffres sont attendus. Les numéros 900000 à 999999 sont réservés.",
    )
    yield (
        "04",
        "vads_trans_date",
        lambda value: _is_near(now, value),
        "Quatorze chiffres en heure UTC sont attendus, à moins d’une heure de maintenant.",
    )
    yield "05", "vads_validation_mode", _is("", "0", "1"), "Les valeurs admises sont 0 et 1."
    yield "06", "vads_capture_delay", _like("[0-9]{0,3}"), "Un nombre de jours est attendu."
    yield "07", "vads_payment_config", _is("SINGLE"), "Seul le paiement comptant est ouvert."
    yield (
        "09",
        "vads_amount",
        _like("(?=.*[1-9])[0-9]{1,12}"),
        "Un montant en centimes est attendu, de 1 à 12 chiffres et différent de zéro.",
    )
    yield "10", "vads_currency", _is("978"), "La seule monnaie admise est l’euro, 978."
    yield (
        "13",
        "vads_order_id",
        _like("[A-Za-z0-9_-]{1,64}"),
        "De 1 à 64 lettres, chiffres, tirets ou soulignés sont attendus.",
    )
    yield (
        "28",
        "vads_url_return",
        is_on_loopback,
        "L’adresse de retour doit être en http ou https sur cette machine.",
    )
    yield (
        "33",
        "vads_url_check",
        lambda value: not value or is_on_loopback(value),
        "L’adresse de notification doit être en http ou https sur cette machine.",
    )
    yield "46", "vads_page_action", _is("PAYMENT"), "La seule action admise est PAYMENT."
    yield "47", "vads_action_mode", _is("INTERACTIVE"), "Le seul mode admis est INTERACTIVE."
    yield (
        "48",
        "vads_return_mode",
        _is("", "NONE", "GET", "POST"),
        "Les valeurs admises sont NONE, GET et POST.",
    )


def _is(*allowed: str) -> Holds:
    return lambda value: value in allowed


def _like(pattern: str) -> Holds:
    return lambda value: re.fullmatch(pattern, value) is not None


def _is_transaction(value: str) -> bool:
    if not re.fullmatch(r"[A-Za-z0-9]{6}", value):
        return False
    return not (value.isdigit() and int(value) in _RESERVED)


def _is_near(now: datetime, value: str) -> bool:
    moment = bank_time(value)
    return moment is not None and abs(now - moment) <= LATEST
