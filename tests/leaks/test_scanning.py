"""The scanner sees what it is for, in every place and form, and takes nothing else for it."""

import pickle

import pytest

from tests.leaks.known import ALLOWED, DEMONSTRATION_CARDS
from tests.leaks.plugin import EXPECTED, judge, lay_canaries
from tests.leaks.scanning import cards_in, is_card, leaks_in, scan_folder, scan_repository

SECRET = "une phrase secrète de bonne taille"


def told(tmp_path, content):
    path = tmp_path / "portal.log"
    path.write_bytes(content)
    return [leak.what for leak in leaks_in(path, "portal.log", [SECRET], frozenset())]


class TestCards:
    @pytest.mark.parametrize(
        "written",
        [
            "4970100000000006", "4970 1000 0000 0006", "4970-1000-0000-0006", "5555555555554444", "2223003122003222",
            "378282246310005", "3782 822463 10005", "6011111111111117", "3530111333300000",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("around", ["%s", "carte=%s&x=1", '{"numero": "%s"}', "\n%s\n", "(%s)", "n°%s,", "n° %s."])
    def test_are_seen_as_they_are_written(self, written, around):
        assert len(list(cards_in((around % written).encode()))) == 1

    @pytest.mark.parametrize("protocol", range(2, 6))
    @pytest.mark.parametrize("memo", range(0, 256, 15))
    def test_are_seen_in_pickles_whatever_follows_them(self, protocol, memo):
        told = [*map(str, range(memo)), "carte=4970100000000006", "4970 1000 0000 0006"]

        assert len(list(cards_in(pickle.dumps(told, protocol)))) == 2

    @pytest.mark.parametrize(
        "written",
        [
            "4970100000000007", "1234567812345670", "4444444444444444", "497010XXXXXX0006", "4970 10XX XXXX 0006",
            "deadbeef4970100000000006", "4970100000000006abc", "0.4970100000000006", "14970100000000006",
            "01 41 14 11 23", "20261123144000", "1763908508.4970100",
            "===============4221419048217364126==",
        ],
    )  # fmt: skip
    def test_are_not_seen_where_there_are_none(self, written):
        assert list(cards_in(written.encode())) == []

    def test_of_the_sandbox_are_all_numbers_of_cards(self):
        assert len(DEMONSTRATION_CARDS) >= 17
        assert all(is_card(each) for each in DEMONSTRATION_CARDS)


class TestSecrets:
    @pytest.mark.parametrize(
        "write",
        [
            str.encode,
            lambda text: text.encode("utf-16-le"),
            lambda text: text.encode().hex().encode(),
            lambda text: text.replace(" ", "+").encode(),
        ],
        ids=["plain", "UTF-16", "hexadecimal", "quoted"],
    )
    def test_are_seen_however_they_are_written(self, tmp_path, write):
        assert told(tmp_path, b"before " + write(SECRET) + b" after")

    @pytest.mark.parametrize("before", [b"", b"x", b"xy", b"xyz"])
    def test_are_seen_in_base64_wherever_they_begin(self, tmp_path, before):
        import base64

        assert told(tmp_path, base64.b64encode(before + SECRET.encode() + b"and more"))

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"-----BEGIN PRIVATE KEY-----", "private key"),
            (b"-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
            (b"AGE-SECRET-KEY-1" + b"Q" * 58, "age key"),
            (b"ghp_" + b"a1" * 18, "token of a forge"),
            (b"AKIA" + b"A1" * 8, "key of a service"),
            (b"postgresql://portail:motdepasse@127.0.0.1/base", "address with a password"),
        ],
    )
    def test_that_are_keys_are_known_by_their_shape(self, tmp_path, content, what):
        assert told(tmp_path, b"x = " + content) == [what]

    @pytest.mark.parametrize("place", ["var/secrets", "secrets"])
    def test_are_looked_for_in_what_stands_beside_them_and_nowhere_else(self, tmp_path, place):
        for name in ("one", "two"):
            (tmp_path / name / place).mkdir(parents=True)
            (tmp_path / name / place / "session.key").write_text(name * 20)
        (tmp_path / "one" / "portal.log").write_text("one" * 20)
        (tmp_path / "two" / "portal.log").write_text("one" * 20)

        assert {leak.file for leak in scan_folder(tmp_path)} == {"one/portal.log"}

    def test_an_address_with_its_password_left_out_is_no_leak(self, tmp_path):
        for content in (b"postgresql://portail@h/base", b"http://localhost:6543/x@y", b"https://${user}:${word}@h"):
            assert told(tmp_path, content) == []


class TestCanaries:
    def test_are_all_seen_and_taken_away(self, tmp_path):
        assert judge(tmp_path) == []
        assert list(tmp_path.iterdir()) == []

    def test_that_are_not_seen_are_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr("tests.leaks.plugin.scan_folder", lambda folder, secrets: [])

        assert len(judge(tmp_path)) == len(EXPECTED)

    def test_left_by_a_run_are_leaks(self, tmp_path):
        lay_canaries(tmp_path / "some-test")

        faults = judge(tmp_path)

        assert {fault.split(": ")[0].removeprefix("some-test/") for fault in faults} == {file for file, _ in EXPECTED}


def test_the_repository_holds_no_key_and_no_card_but_the_demonstration_s():
    assert scan_repository(DEMONSTRATION_CARDS, ALLOWED) == []
