"""Reading the bank's journals: by the names of ENTETE, whole, each fault and odd row with its line; the command."""

from datetime import date
from pathlib import Path

import pytest

from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.payments.gateways.port import JournalKind, UnreadableJournal
from sevres_familles.payments.gateways.systempay_journals import MOST_FAULTS, read_journal
from sevres_familles.payments.journals.command import main
from tests.payments.journal_making import COLUMNS, UNPAID_COLUMNS, journal, row, unpaid
from tests.payments.making import AT, SITE

K = EvidenceKind
LINE_OF_FIRST_ROW = 3


def read(content: bytes):
    return read_journal(content, site_id=SITE, at=AT)


def faults_of(content: bytes) -> list[tuple[int, str]]:
    with pytest.raises(UnreadableJournal) as refusal:
        read(content)
    return [tuple(fault) for fault in refusal.value.faults]


def changed(content: bytes, old: str, new: str) -> bytes:
    assert old.encode() in content
    return content.replace(old.encode(), new.encode())


def test_a_row_becomes_evidence():
    found = read(journal(row(order="P-7KQ4M2XDN", uuid="u7", amount=4280, status="CAPTURED", sequence=2)))

    assert (found.kind, found.day) == (JournalKind.TRANSACTIONS, date(2026, 11, 23))
    (first,) = found.rows
    assert (first.line, first.reference) == (LINE_OF_FIRST_ROW, "P-7KQ4M2XDN")
    evidence = first.evidence
    assert (evidence.kind, evidence.transaction, evidence.amount) == (K.CAPTURED, "u7", Money(4280))
    assert (evidence.sequence, evidence.authorisation, evidence.at) == (2, "3fe2a1", AT)


@pytest.mark.parametrize(
    ("operation", "status", "kind"),
    [
        ("DEBIT", "AUTHORISED", K.AUTHORISED),
        ("DEBIT", "UNDER_VERIFICATION", K.PENDING),
        ("DEBIT", "REFUSED", K.REFUSED),
        ("DEBIT", "CANCELLED", K.VOIDED),
        ("CREDIT", "CAPTURED", K.CREDIT),
        ("CREDIT", "REFUSED", K.UNCLEAR),
        ("VERIFICATION", "ACCEPTED", K.UNCLEAR),
        ("DEBIT", "ACCEPTED", K.UNCLEAR),
    ],
)
def test_operation_and_status_say_what_it_shows(operation, status, kind):
    assert read(journal(row(operation=operation, status=status))).rows[0].evidence.kind is kind


def test_columns_are_found_by_name_and_others_do_not_matter():
    wide = journal(row() | {"COMMENT": "x"}, columns=("COMMENT", *reversed(COLUMNS)))

    assert read(wide).rows[0].evidence == read(journal(row())).rows[0].evidence


def test_impayes_are_recognised_by_their_columns():
    written = dict(zip(UNPAID_COLUMNS, ("IMP1", "u1", "P-7KQ4M2XDN", "6000"), strict=True))

    found = read(unpaid(written))

    assert found.kind is JournalKind.CHARGEBACKS
    assert (found.rows[0].evidence.kind, found.rows[0].evidence.amount) == (K.CHARGEBACK, Money(6000))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_both_encodings_are_read(encoding):
    content = changed(journal(row()), "JOURNAL DES", "JOURNAL QUOTIDIEN GÉNÉRÉ DES").decode().encode(encoding)

    assert len(read(content).rows) == 1


def test_line_ends_of_any_kind_are_read():
    assert len(read(journal(row(), row(uuid="u2")).replace(b"\r\n", b"\n")).rows) == 2


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        (b"", 0, "vide"),
        (b"\x81\x8d", 0, "ni UTF-8 ni CP1252"),
        (b"a;b\r\n", 1, "TITRE, puis ENTETE"),
        (journal(row()).replace(b"FIN;1\r\n", b""), 3, "FIN"),
        (journal(row()) + b"TRANSACTION;1\r\n", 5, "FIN"),
        (journal(row(), row(uuid="u2")).replace(b"FIN;2", b"FIN;3"), 5, "FIN annonce 3 lignes, il y en a 2"),
        (changed(journal(row()), "20261123", "hier"), 1, "de quel jour"),
        (changed(journal(row()), ";20261123", ";20261123;20261122"), 1, "un seul"),
        (journal(row(), day="12011231"), 1, "de quel jour"),
        (journal(row(), day="20281123"), 1, "de quel jour"),
        (changed(journal(row()), ";TRANSACTION_UUID", ";AUTRE"), 2, "TRANSACTION_UUID"),
        (changed(journal(row()), ";CONTRACT", ";AMOUNT"), 2, "deux fois"),
        (changed(journal(row()), ";3fe2a1", ";3fe2a1;x"), 3, "13 cellules pour 12 colonnes"),
        (journal(row(uuid="u;1")), 3, "cellules"),
        (changed(journal(row()), f";{SITE};VISA", ";99999999;VISA"), 3, "autre boutique"),
        (b"TITRE;" + b"x" * 200_000 + b"\r\n", 1, "trop longue"),
    ],
)
def test_a_fault_is_told_with_its_line(content, line, words):
    (fault,) = faults_of(content)

    assert fault[0] == line
    assert words in fault[1]


def test_every_fault_of_a_file_is_told():
    elsewhere = row() | {"MERCHANT_ID": "99999999"}

    assert [line for line, _ in faults_of(journal(elsewhere, row(), elsewhere))] == [3, 5]


@pytest.mark.parametrize("site", ["12011231", "20261122"])
def test_the_shop_s_number_is_no_day_though_it_looks_like_one(site):
    content = journal(row()).replace(SITE.encode(), site.encode())

    assert read_journal(content, site_id=site, at=AT).day == date(2026, 11, 23)


def test_a_day_that_is_also_the_shop_s_number_is_found():
    content = journal(row()).replace(SITE.encode(), b"20261123")

    assert read_journal(content, site_id="20261123", at=AT).day == date(2026, 11, 23)


@pytest.mark.parametrize(
    ("content", "named", "words"),
    [
        (journal(row(amount=0, operation="VERIFICATION")), ("P-7KQ4M2XDN", "u1"), "AMOUNT"),
        (changed(journal(row()), ";6000;6000", ";6000;60,00"), ("P-7KQ4M2XDN", "u1"), "AMOUNT"),
        (changed(journal(row()), "P-7KQ4M2XDN", ""), ("", "u1"), "ORDER_ID"),
        (journal(row(order="P 1")), ("", "u1"), "ORDER_ID"),
        (journal(row(uuid="u_1")), ("P-7KQ4M2XDN", ""), "TRANSACTION_UUID"),
        (journal(row() | {"CURRENCY": "840"}, columns=(*COLUMNS, "CURRENCY")), ("P-7KQ4M2XDN", "u1"), "CURRENCY"),
    ],
)
def test_an_odd_row_is_told_by_itself(content, named, words):
    found = read(content)

    (odd,) = found.odd
    assert (odd.line, odd.reference, odd.transaction) == (LINE_OF_FIRST_ROW, *named)
    assert words in odd.text
    assert found.rows == ()


def test_the_rows_beside_an_odd_one_count():
    found = read(journal(row(), row(uuid="u2", amount=0), row(uuid="u3")))

    assert [each.line for each in found.rows] == [3, 5]
    assert [each.line for each in found.odd] == [4]


def test_a_flood_of_faults_is_counted():
    told = faults_of(journal(*(row(uuid=f"u{each}") | {"MERCHANT_ID": "99999999"} for each in range(70))))

    assert len(told) == MOST_FAULTS + 1
    assert told[-1] == (0, "20 autres erreurs")


class TestCommand:
    """`sevres-journal`, on a portal that the test made."""

    @pytest.fixture
    def run(self, monkeypatch, capsys, app, registry):
        """Run the command on the test's portal; give its status and what it said."""
        from contextlib import contextmanager
        from types import SimpleNamespace

        @contextmanager
        def opened(ini):
            yield SimpleNamespace(registry=registry)

        monkeypatch.setattr("sevres_familles.payments.journals.command.opened", opened)
        settings = registry.settings_of_portal
        assert settings.bank_site_id == SITE

        def run(*arguments: str) -> tuple[int, str]:
            monkeypatch.setattr("sys.argv", ["sevres-journal", "x.ini", *arguments])
            with pytest.raises(SystemExit) as end:
                main()
            return end.value.code, capsys.readouterr().out

        return run

    def write(self, folder: Path, name: str, content: bytes) -> str:
        (folder / name).write_bytes(content)
        return str(folder / name)

    def test_nothing_to_look_at_is_status_0(self, run, tmp_path):
        status, said = run(self.write(tmp_path, "JT.csv", journal(row(status="REFUSED"))))

        assert status == 0
        assert "Journal des transactions du 23/11/2026, fichier JT.csv" in said
        assert "sans mouvement d’argent : 1 ligne" in said
        assert said.rstrip().endswith("JT.csv : 1 ligne, rien à regarder.")

    def test_something_to_look_at_is_status_1_and_named_with_its_line(self, run, tmp_path):
        """Nobody listens where this portal's bank should be: it confirms nothing."""
        status, said = run(self.write(tmp_path, "JT.csv", journal(row())))

        assert status == 1
        assert "ligne 3 : P-7KQ4M2XDN, 60,00\u00a0€, inconnue chez nous, non confirmée par la banque" in said

    def test_what_cannot_be_read_is_status_2_and_the_others_are_taken(self, run, tmp_path):
        bad = self.write(tmp_path, "bad.csv", journal(row() | {"MERCHANT_ID": "99999999"}))
        good = self.write(tmp_path, "good.csv", journal())

        status, said = run(bad, good, str(tmp_path / "none.csv"))

        assert status == 2
        assert "bad.csv : illisible, rien n’en est repris." in said
        assert "ligne 3 : MERCHANT_ID : ce journal est celui d’une autre boutique" in said
        assert "good.csv : 0 ligne, rien à regarder." in said
        assert "none.csv : illisible (No such file or directory)." in said

    def test_an_odd_row_is_named_with_its_line_and_the_others_are_taken(self, run, tmp_path):
        status, said = run(self.write(tmp_path, "JT.csv", journal(row(amount=0), row(status="REFUSED"))))

        assert status == 1
        assert "ligne 3 : P-7KQ4M2XDN, AMOUNT : une somme en centimes est attendue, mise de côté" in said
        assert "sans mouvement d’argent : 1 ligne" in said

    def test_a_day_that_lacks_is_status_1_once_and_named_again(self, run, tmp_path):
        said = [
            run(self.write(tmp_path, f"JT_{day}.csv", journal(day=day))) for day in ("20261120", "20261122", "20261123")
        ]

        assert [status for status, _ in said] == [0, 1, 0]
        lacking = "21/11/2026 : journal des transactions manquant, à demander à la banque"
        assert f"{lacking}\n" in said[1][1]
        assert f"{lacking} (déjà signalé)\n" in said[2][1]

    def test_the_journals_that_were_taken_are_listed(self, run, tmp_path):
        run(self.write(tmp_path, "JT.csv", journal(day="20261122")))

        assert run("--list") == (0, "JT.csv : 0 ligne, rien à regarder.\n")

    def test_a_bank_that_is_not_ours_is_refused(self, run):
        assert run("--gateway", "autre")[0] == "Banque inconnue : autre."
