"""Files as they come: encodings, headers, totals, hostile lines."""

import pytest

from sevres_familles.domain.money import Money
from sevres_familles.regies.exchange.reading import BIGGEST_FILE, LONGEST_LINE
from sevres_familles.regies.exchange.running import run
from tests.conftest import NOW
from tests.regies.exchange.making import balance, family, sheet


@pytest.fixture
def take(folder):
    def taken(content, name="familles.csv"):
        return run(folder.registry, [folder.write(name, content)], at=NOW)

    return taken


def faults_of(outcome):
    assert outcome.lot is None
    return [str(fault) for fault in outcome.faults.first]


FAMILIES = sheet("familles", [family(R1_prénom="Éléonore Œuvrard")])


@pytest.mark.parametrize(
    ("encoding", "told"), [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8 avec BOM"), ("cp1252", "CP1252")]
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_encoding_is_found_out_and_told(take, stored, encoding, told, end):
    outcome = take(FAMILIES.replace("\n", end).encode(encoding))

    assert outcome.files[0].described.encoding_name == told
    with stored() as portal:
        assert portal["familles"]["26719"].record.guardians[0].first_name == "Éléonore Œuvrard"


def test_a_file_that_is_neither_is_refused(take):
    assert faults_of(take(b"code famille\x81;\xe9\n")) == [
        "familles.csv : Ni UTF-8 ni CP1252. Enregistrez le fichier en CSV UTF-8."
    ]


def test_a_character_cut_at_a_block_or_at_the_end_is_still_found(take, folder):
    outcome = take(FAMILIES.encode() + b"\n\xc3")

    assert outcome.files[0].described.encoding_name == "CP1252"


def test_a_file_that_is_not_there_is_told(folder):
    outcome = run(folder.registry, [folder.path / "absent.csv"], at=NOW)

    assert faults_of(outcome) == [
        "absent.csv : Fichier illisible (No such file or directory). Vérifiez son nom et vos droits."
    ]


def test_a_file_that_is_too_big_is_not_even_read(folder):
    path = folder.write("big.csv", b"")
    with path.open("r+b") as file:
        file.truncate(BIGGEST_FILE + 1)

    assert faults_of(run(folder.registry, [path], at=NOW)) == [
        "big.csv : Le fichier dépasse 2 Gio. Coupez-le en plusieurs fichiers."
    ]
    path.unlink()  # what is left of a run is read whole, in search of secrets


def test_columns_are_found_by_name_in_any_order_case_and_accents(take, stored):
    header = "R1 NOM;Solde;DATE DU CALCUL;code  famille;Regie"
    take(FAMILIES)

    assert take(f"{header}\nx;-12,5;16/11/2026;26719;scolaire\nTOTAL;1;-12,5\n", "soldes.csv").lot == 2
    with stored() as portal:
        account = portal["familles"]["26719"]["comptes"]["scolaire"]
        assert account.imported_balance[0] == Money(-1250)


def test_an_unknown_header_is_refused(take):
    (fault,) = faults_of(take("a;b;c\n1;2;3\n"))

    assert fault.startswith(
        "familles.csv, ligne 1 : En-tête inconnu : « a;b;c ». Les fichiers sont familles : code fam"
    )


def test_missing_and_double_columns_are_all_named(take):
    assert faults_of(take("code famille;solde;solde;date du calcul\nTOTAL;0;0\n", "soldes.csv")) == [
        "soldes.csv, ligne 1, colonne « régie » : Colonne absente. Un fichier de soldes l’a une fois.",
        "soldes.csv, ligne 1, colonne « solde » : Colonne en double. Un fichier de soldes l’a une fois.",
    ]


def test_an_empty_file_is_refused(take):
    assert faults_of(take(b"")) == [
        "familles.csv, ligne 1 : Le fichier est vide. Sa première ligne doit nommer les colonnes."
    ]


class TestControlTotal:
    @pytest.fixture(autouse=True)
    def known(self, take):
        take(FAMILIES)

    @pytest.mark.parametrize(
        ("total", "expected"),
        [
            ("", "soldes.csv : Pas de ligne TOTAL. Le fichier est peut-être coupé : il finit par "
                 "TOTAL;nombre de lignes;somme de « solde »."),
            ("TOTAL;2;60,00", "soldes.csv, ligne 3, colonne « nombre de lignes » : Le total de contrôle est « 2 », "
                              "le fichier fait 1. Le fichier est coupé ou a été modifié : demandez-le de nouveau."),
            ("TOTAL;1;60,01", "soldes.csv, ligne 3, colonne « solde » : Le total de contrôle est « 60,01 », "
                              "le fichier fait 60,00. Le fichier est coupé ou a été modifié : demandez-le de nouveau."),
            ("TOTAL;1", "soldes.csv, ligne 3 : « TOTAL;1 » est incomplet. "
                        "Écrivez TOTAL;nombre de lignes;somme de « solde »."),
            ("TOTAL;1;60,00\n26719;beauregard;1,00;16/11/2026",
             "soldes.csv, ligne 4 : Une ligne suit la ligne TOTAL. TOTAL termine le fichier."),
        ],
    )  # fmt: skip
    def test_a_wrong_one_is_refused(self, take, total, expected):
        content = sheet("soldes", [balance()], total=total or None) if total else sheet("soldes", [balance()], total="")

        assert faults_of(take(content, "soldes.csv")) == [expected]

    @pytest.mark.parametrize("total", ["TOTAL;1;60,00;", "TOTAL;1;60,00\n\n;;;\n", "TOTAL;1;60"])
    def test_empty_cells_and_lines_after_it_are_nothing(self, take, total):
        assert not take(sheet("soldes", [balance()], total=total), "soldes.csv").faults


class TestHostileLines:
    def take_row(self, take, row, more=""):
        header = ";".join(FAMILIES.split("\n")[0].split(";"))
        return take(f"{header}\n{row}\n{more}TOTAL;{2 if more else 1}\n")

    def row(self, name):
        return f"26719;Monsieur;{name};Pierre" + ";" * 23

    def test_a_formula_is_a_text_like_another(self, take, stored):
        assert self.take_row(take, self.row("=cmd|' /C calc'!A0")).lot == 1

        with stored() as portal:
            assert portal["familles"]["26719"].record.guardians[0].last_name == "=cmd|' /C calc'!A0"

    def test_quoted_cells_may_hold_semicolons_and_quotes(self, take, stored):
        self.take_row(take, self.row('" DU;POND ""dit"" Léon "'))

        with stored() as portal:
            assert portal["familles"]["26719"].record.guardians[0].last_name == 'DU;POND "dit" Léon'

    def test_a_quote_left_open_spoils_its_line_alone(self, take):
        faults = faults_of(self.take_row(take, self.row('"DUPOND'), self.row("DURAND").replace("26719", "2") + "\n"))

        assert faults == [
            'familles.csv, ligne 2 : Guillemet mal fermé dans « 26719;Monsieur;"DUPOND;Pierre;;;;;;;;;;;… ». '
            "Fermez-le sur la même ligne ; dans une cellule, doublez-le."
        ]

    @pytest.mark.parametrize("character", ["\0", "\x1b", "\x07", "\x85"])
    def test_an_invisible_character_is_refused_and_not_printed(self, take, character):
        (fault, *_) = faults_of(self.take_row(take, self.row(f"DU{character}POND")))

        assert fault.startswith("familles.csv, ligne 2 : Caractère invisible dans « 26719;Monsieur;DU\ufffdPOND;")
        assert character not in fault

    def test_a_cell_of_a_megabyte_is_refused_without_being_kept(self, take):
        (fault, *_) = faults_of(self.take_row(take, self.row("x" * 1_000_000)))

        assert fault == f"familles.csv, ligne 2 : Ligne de 1000046 caractères. {LONGEST_LINE} au plus sont admis."

    def test_a_long_cell_is_refused(self, take):
        (fault, *_) = faults_of(self.take_row(take, self.row("x" * 301)))

        assert fault == "familles.csv, ligne 2 : Cellule de 301 caractères. 300 au plus sont admis."

    def test_a_line_with_too_few_or_too_many_cells_is_refused(self, take):
        (fault, *_) = faults_of(self.take_row(take, "26719;Monsieur"))

        assert fault == "familles.csv, ligne 2 : 2 cellules. L’en-tête en nomme 27."

    def test_a_file_name_that_would_write_to_the_terminal_is_tamed(self, folder):
        outcome = run(folder.registry, [folder.write("a\x1b[31m.csv", b"\n")], at=NOW)

        assert faults_of(outcome)[0].startswith("a\ufffd[31m.csv, ligne 1")
