"""Passwords: how they are hashed, and which are accepted (requirements I1, I2)."""

import hmac
import math
import secrets
import unicodedata
from collections.abc import Callable, Iterable, MutableMapping
from enum import StrEnum
from threading import BoundedSemaphore
from typing import NamedTuple

import argon2
from zxcvbn import zxcvbn

from sevres_familles.domain.french import fold, plural
from sevres_familles.domain.references import has_printed_shape
from sevres_familles.identity.directory import PersonalWord
from sevres_familles.web.settings import Settings

#: The example that the page gives, and that it therefore refuses.
EXAMPLE = "tasse orage vélo muguet"
SHORTEST = 12
LONGEST = 256
#: zxcvbn's time grows with the square of the length; what these characters do not make strong is refused.
_WEIGHED = 72
#: A password must resist this many guesses by zxcvbn's count (10¹⁰, its best score), and by length and kinds of
#: characters, which is how the CNIL counts, hold this many bits.  docs/decisions/passwords.md tells why both.
_GUESSES_LOG10 = 10.0
_BITS = 50.0
#: Names shorter than this are found in too many words to be refused.
_SHORTEST_NAME = 3
#: A part of a compound name (« DER » of « VAN DER BERG ») must be this long to count alone.
_SHORTEST_PART = 4
#: A name is looked for across spaces and signs (« du-pond ») from this length on.
_SHORTEST_SPREAD = 5

#: What French people choose first, which zxcvbn's lists, made from English ones, miss.  Always the same list: zxcvbn
#: keeps it in a global.
_FRENCH_COMMON = """
    motdepasse azerty azertyuiop qsdfghjklm wxcvbn azertyuiopqsdfghjklm soleil doudou loulou chouchou marseille
    bonjour jetaime coucou camille nicolas thomas chocolat vacances espace famille familles facture factures cantine
    mairie ecole creche garderie maman papa enfants princesse louloute chaton poisson football psg paris france
    secret bienvenue connexion identifiant administrateur
""".split()  # noqa: SIM905 - words in a text are read, and added to, with ease


#: Tells whether a password is the one that was hashed; it takes as long when there is no hash.
Verify = Callable[[str | None, str], bool]
#: What the answers of `once` stand under is good for nothing outside this process.
_KEY = secrets.token_bytes(32)


class Passwords:
    """The one hasher of a process: Argon2id, at most two computations at once, which bounds its memory."""

    def __init__(self, settings: Settings) -> None:
        self._hasher = argon2.PasswordHasher(
            time_cost=settings.argon2_time, memory_cost=settings.argon2_memory_kib, parallelism=1
        )
        self._gate = BoundedSemaphore(2)
        #: What is verified when there is nothing to verify, so that every attempt costs the same (requirements I7).
        self._decoy = self._hasher.hash(secrets.token_hex(16))

    def hash(self, password: str) -> str:
        """Hash a password, with a new salt; the parameters stand in the hash."""
        with self._gate:
            return self._hasher.hash(_normal(password))

    def verify(self, hashed: str | None, password: str) -> bool:
        """Tell whether a password is the one that was hashed; it takes as long when there is no hash."""
        with self._gate:
            try:
                self._hasher.verify(hashed or self._decoy, _normal(password))
            except argon2.exceptions.VerifyMismatchError:
                return False
        return hashed is not None

    def is_outdated(self, hashed: str) -> bool:
        """Tell whether a hash was made with other parameters than today's."""
        return self._hasher.check_needs_rehash(hashed)


def once(verify: Verify, answers: MutableMapping[bytes, bool]) -> Verify:
    """Verify what was not verified yet, and keep the answers, under keys that tell neither hash nor password."""

    def verify_once(hashed: str | None, password: str) -> bool:
        key = hmac.digest(_KEY, f"{hashed or ''}\0{password}".encode(), "sha256")
        if key not in answers:
            answers[key] = verify(hashed, password)
        return answers[key]

    return verify_once


def _normal(password: str) -> str:
    return unicodedata.normalize("NFC", password)


class Rule(StrEnum):
    """A rule of own passwords."""

    LENGTH = "length"
    PERSONAL = "personal"
    GUESSABLE = "guessable"


class Fault(NamedTuple):
    """A rule that a password breaks, and what to tell."""

    rule: Rule
    message: str


def faults_of(password: str, personal: Iterable[PersonalWord]) -> list[Fault]:
    """Find every rule that a password breaks, in the order of `Rule`."""
    password = _normal(password)
    return [fault for fault in (_length(password), _personal(password, personal), _guessable(password)) if fault]


def _length(password: str) -> Fault | None:
    if len(password) < SHORTEST:
        count = plural(len(password), "caractère")
        return Fault(Rule.LENGTH, f"Ce mot de passe est trop court\u00a0: {count}. Il en faut {SHORTEST} au moins.")
    if len(password) > LONGEST:
        return Fault(Rule.LENGTH, f"Ce mot de passe est trop long. Gardez {LONGEST} caractères au plus.")
    return None


def _personal(password: str, personal: Iterable[PersonalWord]) -> Fault | None:
    folded = fold(password)
    spread = _letters(folded)
    for word, what in personal:
        for name in _forms(word):
            if name in folded or (len(name) >= _SHORTEST_SPREAD and name in spread):
                return Fault(
                    Rule.PERSONAL,
                    f"Ce mot de passe contient {what}, «\u00a0{name}\u00a0». Choisissez des mots sans lien avec vous.",
                )
    return None


def _forms(word: str) -> Iterable[str]:
    """Give the forms in which a name is looked for: whole, without signs, and its longer parts."""
    folded = fold(word).strip()
    whole = _letters(folded)
    parts = "".join(each if each.isalnum() else " " for each in folded).split()
    forms = [folded, whole] + [part for part in parts if len(part) >= _SHORTEST_PART]
    return dict.fromkeys(form for form in forms if len(form) >= _SHORTEST_NAME)


def _letters(text: str) -> str:
    return "".join(each for each in text if each.isalnum())


def _guessable(password: str) -> Fault | None:
    if fold(password).strip() == fold(EXAMPLE):
        return Fault(Rule.GUESSABLE, "Ce mot de passe est l’exemple de cette page. Choisissez vos propres mots.")
    if _bits(password) < _BITS:
        return Fault(Rule.GUESSABLE, "Ce mot de passe n’est pas assez varié. Ajoutez des mots.")
    if float(zxcvbn(fold(password)[:_WEIGHED], _FRENCH_COMMON)["guesses_log10"]) < _GUESSES_LOG10:
        return Fault(
            Rule.GUESSABLE,
            "Ce mot de passe est trop facile à deviner. Prenez par exemple quatre mots au hasard.",
        )
    # Last: « aaaaaaaaaaaaaaaa » has the shape too, and this is not what is wrong with it.
    if has_printed_shape(password):
        return Fault(
            Rule.GUESSABLE,
            "Ce mot de passe ressemble à celui d’une facture. Choisissez-en un autre, par exemple quatre mots.",
        )
    return None


#: Kinds of characters, and how many there are of each.
_KINDS = ((str.islower, 26), (str.isupper, 26), (str.isdigit, 10), (lambda each: not each.isalnum(), 33))


def _bits(password: str) -> float:
    """Count the bits of a password drawn at random with its length and its kinds of characters."""
    alphabet = sum(size for is_kind, size in _KINDS if any(map(is_kind, password)))
    return len(password) * math.log2(max(alphabet, 2))
