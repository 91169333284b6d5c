"""Addresses: those of mails, and where a sign-in may lead back to (requirements I5, S25)."""

import pytest

from sevres_familles.identity.links import local_path
from sevres_familles.identity.tokens import Purpose, digest, matches, new_nonce, token_for
from sevres_familles.web.settings import make_secrets, read_settings


@pytest.mark.parametrize(
    "path", ["/", "/familles/26719", "/familles/26719/comptes/scolaire/?page=2", "/aide/%C3%A9t%C3%A9", "/a?b=100%25"]
)
def test_a_path_of_this_site_is_kept(path):
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "familles",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\evil.example",
        "\\\\evil.example",
        "https:evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/%2fevil.example",
        "/%2Fevil.example",
        "%2f%2fevil.example",
        "/%252fevil.example",
        "/%25252fevil.example",
        "/%5cevil.example",
        "/%255cevil.example",
        "/familles//evil.example",
        "/a%0d%0aSet-Cookie:x=1",
        "/a%250d%250aSet-Cookie:x=1",
        "/a\r\nSet-Cookie:x=1",
        "/a\tb",
        " /a",
        "/ a",
        "/a%00",
        "/a\n",
        "/é",
        "/%C3%A9%2f/evil.example",
        "/%E2%80%AE%5cevil",
        "@evil.example",
        ".evil.example",
    ],
)
def test_an_address_that_could_lead_elsewhere_is_not(path):
    assert local_path(path) is None


@pytest.fixture
def settings(ini):
    settings = read_settings(ini, environ={})
    make_secrets(settings)
    return settings


def test_a_token_follows_from_its_nonce_and_the_key_alone(settings):
    nonce = new_nonce(settings)

    token = token_for(settings, Purpose.RESET, "26719", nonce)

    assert token == token_for(settings, Purpose.RESET, "26719", nonce)
    assert len(token) == 64
    assert len(bytes.fromhex(nonce[8:])) * 8 == 128


def test_a_token_serves_one_purpose_for_one_family(settings):
    nonce = new_nonce(settings)

    tokens = {
        token_for(settings, purpose, code, each)
        for purpose in Purpose
        for code in ("26719", "26720")
        for each in (nonce, new_nonce(settings))
    }

    assert len(tokens) == 8


def test_another_key_makes_another_token(settings):
    nonce = new_nonce(settings)
    token = token_for(settings, Purpose.RESET, "26719", nonce)

    (settings.secrets_folder / "tokens.key").write_text("another\n")

    assert token_for(settings, Purpose.RESET, "26719", nonce) != token


def test_a_token_is_known_by_its_hash():
    assert matches("token", digest("token"))
    assert not matches("Token", digest("token"))
