"""Which passwords are accepted, and how they are kept (requirements I1, I2)."""

import unicodedata
from dataclasses import replace
from itertools import product

import pytest

from sevres_familles.identity.directory import PersonalWord
from sevres_familles.identity.passwords import EXAMPLE, LONGEST, Passwords, Rule, faults_of
from sevres_familles.web.settings import read_settings
from tests.identity.helpers import PASSWORD

DUPOND = (
    PersonalWord("DUPOND", "votre nom"),
    PersonalWord("Léa", "le prénom d’un enfant"),
    PersonalWord("Jean-Éric", "le prénom d’un enfant"),
    PersonalWord("VAN DER BERGHE", "votre nom"),
    PersonalWord("Lô", "votre nom"),
    PersonalWord("Sèvres", "le nom de la ville"),
    PersonalWord("26719", "votre code d’accès"),
)


def rules_broken_by(password: str) -> list[Rule]:
    return [fault.rule for fault in faults_of(password, DUPOND)]


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "il fait beau aujourd’hui",
        "correct horse battery staple",
        "xkqvbtmzpwrd",
        "  espaces au bord  ",
        "ночной поезд идёт",
        "🍒 cerises et 🍓 fraises",
        "7304 9182 5561 0473",
        "marchand de sable, " * 10,
        "ab cd " * 10 + "phrase longue",
    ],
)
def test_an_honest_password_is_accepted(password):
    assert rules_broken_by(password) == []


def test_four_common_words_are_always_accepted():
    words = ("table", "chaise", "pomme", "livre", "jardin", "soleil", "porte", "route")
    phrases = [" ".join(four) for four in product(words, repeat=4) if len(set(four)) == 4]

    refused = [phrase for phrase in phrases[::40] if faults_of(phrase, ())]

    assert refused == []


@pytest.mark.parametrize("password", ["tasse orage", "é" * 11, "x9!Kq"])
def test_eleven_characters_are_too_few(password):
    assert Rule.LENGTH in rules_broken_by(password)


def test_length_is_counted_in_letters_however_accents_are_written():
    twelve = unicodedata.normalize("NFD", "élève zélé à")

    assert Rule.LENGTH not in rules_broken_by(twelve)
    assert Rule.LENGTH in rules_broken_by(twelve[:-4])


def test_a_password_longer_than_we_read_is_refused():
    assert Rule.LENGTH in rules_broken_by("tasse orage vélo " * 20)
    assert rules_broken_by(("tasse orage vélo muguet " * 20)[:LONGEST]) == []


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("tasse DUPOND orage vélo", "votre nom, «\u00a0dupond\u00a0»"),
        ("tasse-orage-du-pond-velo", "votre nom, «\u00a0dupond\u00a0»"),
        ("le manteau de lea est bleu", "le prénom d’un enfant, «\u00a0lea\u00a0»"),
        ("bottes de JEANÉRIC rouges", "«\u00a0jeaneric\u00a0»"),
        ("bottes d’eric et de pluie", "«\u00a0eric\u00a0»"),
        ("le train de sevres le matin", "le nom de la ville, «\u00a0sevres\u00a0»"),
        ("tasse orage 26719 muguet", "votre code d’accès, «\u00a026719\u00a0»"),
        ("la tour des berghe à midi", "«\u00a0berghe\u00a0»"),
    ],
)
def test_what_is_known_of_the_family_is_refused_and_named(password, said):
    (fault,) = faults_of(password, DUPOND)

    assert fault.rule is Rule.PERSONAL
    assert said in fault.message


@pytest.mark.parametrize("password", ["allô allô la terre", "vandale et dernier bus"])
def test_names_of_two_letters_and_particles_are_not_looked_for(password):
    assert Rule.PERSONAL not in rules_broken_by(password)


@pytest.mark.parametrize(
    "password",
    [
        "motdepasse123",
        "Motdepasse2026!",
        "azertyuiop123",
        "azertyazerty12",
        "bonjourbonjour",
        "aaaaaaaaaaaa",
        "abcdefghijklmn",
        "password12345",
        "123456789012",
        "marseille2026!",
        "            ",
        "Tasse orage velo muguet",
        "K7MP-Q3XA-TRWD-9HF4",
        "k7mp q3xa trwd 9hfe",
    ],
)
def test_what_attackers_try_first_is_refused(password):
    assert Rule.GUESSABLE in rules_broken_by(password)


def test_each_refusal_says_what_to_do():
    for password in (
        "court",
        "tasse dupond orage vélo",
        "motdepasse123",
        "123456789012",
        "K7MP-Q3XA-TRWD-9HF4",
        EXAMPLE,
    ):
        for fault in faults_of(password, DUPOND):
            assert len(fault.message.split(". ")) == 2, fault.message


@pytest.fixture
def settings(ini):
    return read_settings(ini, environ={})


def test_a_hash_is_argon2id_with_its_salt_and_parameters(settings):
    passwords = Passwords(settings)

    first, second = passwords.hash(PASSWORD), passwords.hash(PASSWORD)

    assert first.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert first != second
    assert passwords.verify(first, PASSWORD)
    assert not passwords.verify(first, PASSWORD + " ")


def test_accents_are_the_same_however_they_are_typed(settings):
    passwords = Passwords(settings)

    hashed = passwords.hash(unicodedata.normalize("NFD", PASSWORD))

    assert passwords.verify(hashed, unicodedata.normalize("NFC", PASSWORD))


def test_nothing_is_the_password_of_who_has_none(settings):
    passwords = Passwords(settings)

    assert not passwords.verify(None, "")
    assert not passwords.verify(None, passwords._decoy)


def test_a_hash_of_other_parameters_is_outdated(settings):
    old, new = Passwords(settings), Passwords(replace(settings, argon2_time=2))

    hashed = old.hash(PASSWORD)

    assert not old.is_outdated(hashed)
    assert new.is_outdated(hashed)
    assert new.verify(hashed, PASSWORD)


def test_at_most_two_computations_run_at_once(settings):
    passwords = Passwords(settings)

    assert passwords._gate.acquire(blocking=False)
    assert passwords._gate.acquire(blocking=False)
    assert not passwords._gate.acquire(blocking=False)
