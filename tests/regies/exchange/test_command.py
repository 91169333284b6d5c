"""What ``sevres-import`` says."""

from sevres_familles.regies.exchange.command import report
from sevres_familles.regies.exchange.faults import Fault, Faults
from tests.regies.exchange.making import balance, child, family, invoice, line

SCHOOL = {"familles": [family()], "factures": [invoice()], "lignes": [line()]}


def test_what_was_done_is_told_by_regie_with_counts_and_sums(folder):
    folder.take(**SCHOOL, soldes=[balance()])
    changed = {
        "familles": [family(), family("99")],
        "factures": [invoice(left="20,00"), invoice("7", "99", total="1234,56")],
        "lignes": [line(), line("7", "1234,56")],
        "soldes": [balance(), balance("-5,00", "99")],
    }

    assert report(folder.take(**changed), dry_run=False) == [
        "familles.csv : familles, 2 lignes, UTF-8",
        "factures.csv : factures, 2 lignes, UTF-8",
        "lignes.csv : lignes, 2 lignes, UTF-8",
        "soldes.csv : soldes, 2 lignes, UTF-8",
        "Familles : 1 nouvelle, 0 changée, 1 inchangée",
        "Régie scolaire, factures : 1 nouvelle, 1 changée, 0 inchangée ; émis 1\u00a0234,56\u00a0€, "
        "écart des restes à payer -40,00\u00a0€, restes inchangés 0,00\u00a0€",
        "Régie scolaire, soldes : 1 nouveau, 0 changé, 1 inchangé ; somme 55,00\u00a0€",
        "Lot 2 publié : 2 familles.",
    ]


def test_invoices_that_the_file_leaves_out_are_listed(folder):
    many = [str(each) for each in range(1, 13)]
    folder.take(familles=[family()], factures=list(map(invoice, many)), lignes=list(map(line, many)))

    told = report(folder.take(factures=[invoice("12")], lignes=[line("12")]), dry_run=False)

    assert told[4] == (
        "Régie scolaire, 11 factures absentes du fichier : "
        + ", ".join(f"2026-{each} (famille 26719)" for each in sorted(many)[:3] + sorted(many)[4:11])
        + "…"
    )
    assert told[-1] == "Rien ne change."


def test_a_dry_run_says_that_it_is_one(folder):
    outcome = folder.take(dry_run=True, **SCHOOL)

    assert report(outcome, dry_run=True)[-1] == "Essai : 1 famille changerait ; rien n’a été écrit."


def test_faults_come_with_their_count(folder):
    outcome = folder.take(familles=[family(R1_nom="")], enfants=[child("404")])

    assert "\n".join(report(outcome, dry_run=False)).splitlines()[2:] == [
        "familles.csv, ligne 2, colonne « R1 nom » : Cellule vide. Le premier responsable a toujours un nom.",
        "enfants.csv, ligne 2, colonne « code famille » : La famille 404 est inconnue. "
        "Donnez-la dans un fichier des familles.",
        "2 fautes : rien n’a été importé.",
    ]


def test_faults_are_written_one_a_line():
    faults = Faults()
    for each in range(2):
        faults.add(Fault("a.csv", each, None, "Trouvé", "À faire."))

    assert faults.report() == "a.csv, ligne 0 : Trouvé. À faire.\na.csv, ligne 1 : Trouvé. À faire."
