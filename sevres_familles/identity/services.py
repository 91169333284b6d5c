"""Acts of identity: sign in, issue a printed password, choose one's own, ask for and use the links of mails.

Plain functions over the portal and the registry.  What they announce is in `events`.
"""

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from hmac import compare_digest
from typing import Any

from sevres_familles.domain.references import is_printed_password, random_printed_password, squeeze
from sevres_familles.identity.directory import PersonalWord
from sevres_familles.identity.emails import EmailIndex, canonical
from sevres_familles.identity.events import (
    EmailConfirmationAsked,
    EmailReplaced,
    PasswordChanged,
    ResetAsked,
    ResetLink,
)
from sevres_familles.identity.passwords import Fault, Passwords, Verify, faults_of
from sevres_familles.identity.resources import DECOYS, Credentials, PrintedPassword, Scope, SentLink
from sevres_familles.identity.throttle import MAILING, Attempts, Gate, Limit, key_for
from sevres_familles.identity.tokens import Purpose, digest, is_honoured, key_of, matches, new_nonce, token_for
from sevres_familles.web.logs import alias, tell

#: Families that one mail of forgotten identifiers serves.
MOST_FAMILIES = 10


class UnknownFamily(Exception):
    """No family has that code."""


class DeadLink(Exception):
    """A link was used, replaced, is too old, or was never ours."""


def credentials_of(portal: Any, code: str) -> Credentials:
    """Find the credentials of a family, or make them, for writing."""
    store = portal.stores["credentials"]
    if code not in store:
        store[code] = Credentials(code)
    credentials: Credentials = store[code]
    return credentials


def attempts(
    portal: Any, registry: Any, *, address: str, code: str, at: datetime, device: str | None = None
) -> Attempts:
    """Meet the throttle as an address that tries a code, from a device that the family is known by or not."""
    secret = registry.settings_of_portal.secret("tokens.key")
    return Attempts(portal.stores["throttle"], secret, address=address, account=code, now=at, device=device)


def gate(portal: Any, registry: Any, limit: Limit, at: datetime, *what: str) -> Gate:
    """Meet the throttle for acts of a kind: ``what`` names the kind, then who or whom."""
    key = key_for(registry.settings_of_portal.secret("tokens.key"), *what)
    return Gate(portal.stores["throttle"], key, limit, at)


def authenticate(
    portal: Any, registry: Any, code: str, typed: str, at: datetime, verify: Verify | None = None
) -> Scope | None:
    """Tell what a password opens: the family's own all of it, the printed one the choice of an own; or nothing.

    Takes exactly one slow verification whatever the answer (requirements I7).  The shape of what was typed says which
    of the two passwords it can be, since an own password never has the printed one's.  ``verify`` takes the place of
    the hasher's.
    """
    credentials: Credentials | None = portal.stores["credentials"].get(code)
    settings, passwords = registry.settings_of_portal, registry.passwords
    hashed, scope = None, Scope.FAMILY
    if is_printed_password(typed):
        typed, scope = squeeze(typed), Scope.ACTIVATION
        printed = credentials.printed if credentials else None
        if printed is not None and printed.is_good(at, settings.printed_password_life):
            hashed = printed.hashed
    elif credentials is not None:
        hashed = credentials.password
    is_right = (verify or passwords.verify)(hashed, typed)
    if not is_right or credentials is None or not registry.directory.exists(portal, code):
        return None
    if scope is Scope.FAMILY:
        _refresh(credentials, passwords, typed)
    return scope


def _refresh(credentials: Credentials, passwords: Passwords, typed: str) -> None:
    """Hash the password anew when the parameters have changed since (requirements I2)."""
    if credentials.password is not None and passwords.is_outdated(credentials.password):
        credentials.password = passwords.hash(typed)


def is_own_password(portal: Any, registry: Any, code: str, typed: str, verify: Verify | None = None) -> bool:
    """Tell whether that is the family's own password."""
    is_right: bool = (verify or registry.passwords.verify)(credentials_of(portal, code).password, typed)
    return is_right


def issue_printed_password(portal: Any, registry: Any, code: str, at: datetime, fixed: str | None = None) -> str:
    """Issue the password that an invoice prints, and give it: it is kept nowhere but as a slow hash.

    A new one kills the old.  The demonstration fixes it.

    :raises UnknownFamily: when no family has that code.
    :raises ValueError: when the fixed one is not of the printed shape.
    """
    if not registry.directory.exists(portal, code):
        raise UnknownFamily(code)
    if fixed is not None and not is_printed_password(fixed):
        raise ValueError("not a printed password")
    drawn = fixed or random_printed_password()
    credentials_of(portal, code).printed = PrintedPassword(registry.passwords.hash(squeeze(drawn)), at, at)
    tell(portal, "printed password issued", family=alias(registry.settings_of_portal, code))
    return drawn


def wants_printed_password(portal: Any, code: str) -> bool:
    """Tell whether a family has no password of its own yet."""
    credentials: Credentials | None = portal.stores["credentials"].get(code)
    return credentials is None or credentials.password is None


def has_younger_letter(portal: Any, registry: Any, code: str, *, drawn_at: datetime, at: datetime) -> bool:
    """Tell whether a family without a password of its own holds a printed one that is good and was drawn later."""
    credentials: Credentials | None = portal.stores["credentials"].get(code)
    if credentials is None or credentials.password is not None or credentials.printed is None:
        return False
    printed = credentials.printed
    return printed.drawn_at > drawn_at and printed.is_good(at, registry.settings_of_portal.printed_password_life)


def activate_printed_password(
    portal: Any, registry: Any, code: str, hashed: str, *, drawn_at: datetime, at: datetime
) -> bool:
    """Let a password that was drawn and hashed before open the choice of an own one, and tell whether it does.

    Its life begins now, and the one before it is dead.  A family that has its own password by now keeps that alone,
    so does one that was given a younger letter meanwhile, and one that left gets none.
    """
    if (
        not registry.directory.exists(portal, code)
        or not wants_printed_password(portal, code)
        or has_younger_letter(portal, registry, code, drawn_at=drawn_at, at=at)
    ):
        return False
    credentials_of(portal, code).printed = PrintedPassword(hashed, drawn_at, at)
    return True


def faults_of_password(portal: Any, registry: Any, code: str, password: str) -> list[Fault]:
    """Find the rules that a new password of a family breaks."""
    words = [
        *registry.directory.personal_words(portal, code),
        PersonalWord(registry.town.name, "le nom de la ville"),
        PersonalWord(code, "votre code d’accès"),
    ]
    return faults_of(password, words)


def set_password(portal: Any, registry: Any, code: str, password: str, at: datetime) -> Credentials:
    """Set a family's own password, and announce it.  All its sessions end."""
    credentials = credentials_of(portal, code)
    credentials.set_password(registry.passwords.hash(password))
    tell(portal, "password set", family=alias(registry.settings_of_portal, code))
    registry.notify(PasswordChanged(portal=portal, code=code, emails=emails_of(portal, registry, code), at=at))
    return credentials


def emails_of(portal: Any, registry: Any, code: str) -> tuple[str, ...]:
    """Give every address of a family, the confirmed one first, each once."""
    if not registry.directory.exists(portal, code):
        return ()
    credentials: Credentials | None = portal.stores["credentials"].get(code)
    confirmed = (credentials.email,) if credentials and credentials.email else ()
    by_form: dict[str, str] = {}
    for each in (*confirmed, *registry.directory.emails(portal, code)):
        by_form.setdefault(canonical(each), each)
    return tuple(by_form.values())


def mail_address(portal: Any, registry: Any, code: str) -> str | None:
    """Give the address to write to: the confirmed one, else the first of the record."""
    return next(iter(emails_of(portal, registry, code)), None)


def can_be_written_to(portal: Any, code: str) -> bool:
    """Tell whether a family has a password of its own and an address that it confirmed: mails may replace letters."""
    credentials: Credentials | None = portal.stores["credentials"].get(code)
    return credentials is not None and credentials.password is not None and credentials.email is not None


def codes_with_email(portal: Any, registry: Any, email: str) -> Iterator[str]:
    """Find the families that use an address, in their record or confirmed."""
    index: EmailIndex = portal.stores["emails"]
    keys = registry.settings_of_portal.secrets("tokens.key")
    return index.codes(keys, email, lambda code: emails_of(portal, registry, code))


def ask_reset(portal: Any, registry: Any, email: str, at: datetime) -> None:
    """Send the identifiers of every family behind an address, by one mail, with a link each to choose a password.

    Whether there are any changes nothing that is seen: the mail leaves later, by the outbox, and as much is written for
    an address that nobody uses (requirements I7).  An address that was just
    written to gets no further mail: a stranger can neither flood it, nor kill the link that it received.
    """
    mailing = gate(portal, registry, MAILING, at, "mailing", canonical(email))
    if mailing.wait():
        return
    mailing.count()
    links = []
    for code in list(codes_with_email(portal, registry, email))[:MOST_FAMILIES]:
        credentials = credentials_of(portal, code)
        nonce, credentials.reset = _new_link(registry, Purpose.RESET, credentials, email, at)
        links.append(ResetLink(code, nonce))
    if links:
        registry.notify(ResetAsked(portal=portal, email=email, links=tuple(links), at=at))
    else:
        decoy = portal.stores["decoys"][secrets.randbelow(DECOYS)]
        _, decoy.reset = _new_link(registry, Purpose.RESET, decoy, "", at)


def ask_confirmation(portal: Any, registry: Any, code: str, email: str, at: datetime) -> None:
    """Send a link that confirms an address; it takes the place of the one sent before."""
    credentials = credentials_of(portal, code)
    nonce, credentials.confirmation = _new_link(registry, Purpose.EMAIL, credentials, email, at)
    registry.notify(EmailConfirmationAsked(portal=portal, code=code, email=email, nonce=nonce, at=at))


def _new_link(
    registry: Any, purpose: Purpose, credentials: Credentials, email: str, at: datetime
) -> tuple[str, SentLink]:
    nonce = new_nonce(registry.settings_of_portal)
    token = token_for(registry.settings_of_portal, purpose, credentials.code, nonce)
    return nonce, SentLink(digest(token), email, at, credentials.password_digest, key_of(nonce))


def check_reset(portal: Any, registry: Any, code: str, token: str, at: datetime) -> Credentials:
    """Find the credentials that a link lets choose a new password for.  Spends nothing.

    :raises DeadLink: when the link does not do that.
    """
    credentials: Credentials | None = portal.stores["credentials"].get(code)
    life = registry.settings_of_portal.reset_life
    if credentials is None or not _opens(registry, credentials, credentials.reset, token, at, life):
        raise DeadLink
    return credentials


def check_confirmation(portal: Any, registry: Any, code: str, token: str, at: datetime) -> Credentials:
    """Find the credentials whose address a link confirms.  Spends nothing.

    :raises DeadLink: when the link does not do that.
    """
    credentials: Credentials | None = portal.stores["credentials"].get(code)
    life = registry.settings_of_portal.confirmation_life
    if credentials is None or not _opens(registry, credentials, credentials.confirmation, token, at, life):
        raise DeadLink
    return credentials


def _opens(
    registry: Any, credentials: Credentials, link: SentLink | None, token: str, at: datetime, life: timedelta
) -> bool:
    """Tell whether a token is that of a link that lives, as its key and the password of its day do."""
    return (
        link is not None
        and matches(token, link.digest)
        and link.is_good(at, life)
        and compare_digest(link.password, credentials.password_digest)
        and is_honoured(registry.settings_of_portal, link.key)
    )


def confirm_email(portal: Any, registry: Any, code: str, token: str, at: datetime) -> str:
    """Confirm the address that a link was sent to, and give it.  If another was written to, every other one is told.

    :raises DeadLink: when the link does not do that.
    """
    credentials = check_confirmation(portal, registry, code, token, at)
    tell(portal, "e-mail confirmed", family=alias(registry.settings_of_portal, code))
    email: str = credentials.confirmation.email  # type: ignore[union-attr]
    known = emails_of(portal, registry, code)
    if known and canonical(known[0]) != canonical(email):
        others = tuple(each for each in known if canonical(each) != canonical(email))
        registry.notify(EmailReplaced(portal=portal, code=code, emails=others, at=at))
    credentials.confirm_email(email)
    portal.stores["emails"].note(registry.settings_of_portal.secret("tokens.key"), code, [email])
    return email
