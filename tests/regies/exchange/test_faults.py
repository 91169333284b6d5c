"""What is refused: each fault says where, what was found, and what to do."""

import pytest

from sevres_familles.regies.exchange.faults import PRINTED
from tests.regies.exchange.making import balance, child, family, invoice, line, sheet

INVOICE_ADVICE = "Une facture émise ne change pas : annulez-la et émettez-en une autre."


def whole(**changes):
    """Give the rows of one family with one invoice, some of them changed."""
    return {"familles": [family()], "factures": [invoice()], "lignes": [line()]} | changes


def test_a_whole_set_has_no_fault(folder):
    assert not folder.take(**whole(), enfants=[child()], soldes=[balance()]).faults


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"factures": [invoice(état="réglée")]},
            "factures.csv, ligne 2, colonne « état » : « réglée » est refusé. "
            "Écrivez à payer, payée au guichet, transmise au Trésor ou annulée.",
        ),
        (
            {"factures": [invoice(**{"date d’échéance": "31/11/2026"})]},
            "factures.csv, ligne 2, colonne « date d’échéance » : « 31/11/2026 » est refusé. "
            "Une date s’écrit JJ/MM/AAAA et existe au calendrier : 16/10/2026.",
        ),
        (
            {"factures": [invoice(**{"date d’échéance": "02/11/2026"})]},
            "factures.csv, ligne 2, colonne « date d’échéance » : L’échéance précède l’émission. "
            "L’échéance est le jour de l’émission ou après.",
        ),
        (
            {"factures": [invoice(libellé="")]},
            "factures.csv, ligne 2, colonne « libellé » : Cellule vide. Cette colonne ne peut pas être vide.",
        ),
        (
            {"factures": [invoice(paiements_comptés="P-7KQ4M2XDX")]},
            "factures.csv, ligne 2, colonne « paiements comptés » : « P-7KQ4M2XDX » est refusé. "
            "Écrivez les références de nos paiements, chacune une fois, séparées par des espaces ; "
            "au besoin la part comptée : P-7KQ4M2XDN=40,00.",
        ),
        (
            {"familles": [family("@@vue")], "factures": [], "lignes": []},
            "familles.csv, ligne 2, colonne « code famille » : « @@vue » est refusé. "
            "Un code famille a 1 à 20 lettres sans accent, chiffres ou tirets : 26719.",
        ),
        (
            {"familles": [family(R1_nom="")]},
            "familles.csv, ligne 2, colonne « R1 nom » : Cellule vide. Le premier responsable a toujours un nom.",
        ),
        (
            {"familles": [family(R2_prénom="Danielle")]},
            "familles.csv, ligne 2, colonne « R2 nom » : Cellule vide. "
            "Nommez le second responsable, ou videz ses colonnes.",
        ),
        (
            {"familles": [family(**{"R1 e-mail": "dupond@free"})]},
            "familles.csv, ligne 2, colonne « R1 e-mail » : « dupond@free » est refusé. "
            "Une adresse s’écrit nom@domaine.fr, une seule par colonne ; laissez vide s’il n’y en a pas.",
        ),
        (
            {"lignes": [line(déductible="peut-être")]},
            "lignes.csv, ligne 2, colonne « déductible » : « peut-être » est refusé. Écrivez oui ou non.",
        ),
        (
            {"lignes": [line(quantité="7.5")]},
            "lignes.csv, ligne 2, colonne « quantité » : « 7.5 » est refusé. "
            "Une quantité s’écrit avec une virgule : 7,5.",
        ),
        (
            {"lignes": [line(quantité="11", **{"prix unitaire": "6,00"})]},
            "lignes.csv, ligne 2, colonne « montant » : « 60,00 » n’est pas 11 × 6,00. "
            "La quantité fois le prix unitaire fait le montant, à un centime près.",
        ),
        (
            {"lignes": [line(amount="59,99")]},
            "factures.csv, ligne 2, colonne « total » : Le total de la facture 2026-9161 est 60,00\u00a0€, "
            "ses lignes font 59,99\u00a0€. Corrigez le total ou les lignes.",
        ),
        (
            {"lignes": []},
            "factures.csv, ligne 2 : La facture 2026-9161 n’a aucune ligne. "
            "Donnez ses lignes dans un fichier des lignes.",
        ),
        (
            {"lignes": [line(), line("9162")]},
            "lignes.csv, ligne 3 : La facture 2026-9162 de la régie scolaire n’est dans aucun fichier de factures. "
            "Donnez aussi sa ligne dans le fichier des factures, ou retirez celle-ci.",
        ),
        (
            {"familles": []},
            "factures.csv, ligne 2, colonne « code famille » : La famille 26719 est inconnue. "
            "Donnez-la dans un fichier des familles.",
        ),
        (
            {"familles": [family(), family()]},
            "familles.csv, ligne 3 : Le code famille 26719 est déjà là (familles.csv, ligne 2). "
            "Gardez une seule des deux lignes.",
        ),
        (
            {"enfants": [child(), child()]},
            "enfants.csv, ligne 3 : Le même enfant de la famille 26719 est déjà là (enfants.csv, ligne 2). "
            "Gardez une seule des deux lignes.",
        ),
        (
            {"soldes": [balance(), balance("0,00")]},
            "soldes.csv, ligne 3 : Le solde de la famille 26719 dans la régie scolaire est déjà là "
            "(soldes.csv, ligne 2). Gardez une seule des deux lignes.",
        ),
        (
            {"factures": [invoice(left="60,01")]},
            "factures.csv, ligne 2, colonne « reste à payer » : Le reste à payer est de 60,01\u00a0€. "
            "Il va de 0,00\u00a0€ à 60,00\u00a0€.",
        ),
        (
            {"factures": [invoice(left="-0,01")]},
            "factures.csv, ligne 2, colonne « reste à payer » : Le reste à payer est de -0,01\u00a0€. "
            "Il va de 0,00\u00a0€ à 60,00\u00a0€.",
        ),
        (
            {"factures": [invoice(left="0,01", état="payée au guichet")]},
            "factures.csv, ligne 2, colonne « état » : La facture est payée au guichet et il reste 0,01\u00a0€ "
            "à payer. "
            "Mettez le reste à payer à 0,00, ou un autre état.",
        ),
        (
            {"factures": [invoice(left="60,00", état="Annulée")]},
            "factures.csv, ligne 2, colonne « état » : La facture est annulée et il reste 60,00\u00a0€ à payer. "
            "Mettez le reste à payer à 0,00, ou un autre état.",
        ),
        (
            {"factures": [invoice(paiements_comptés="P-7KQ4M2XDN")]},
            "factures.csv, ligne 2, colonne « paiements comptés » : Le paiement P-7KQ4M2XDN n’est pas de "
            "cette facture. "
            "Ne comptez que nos paiements de cette facture, pour leur montant ou une part.",
        ),
    ],
)
def test_a_fault_is_told(folder, changes, expected):
    assert folder.faults(**whole(**changes)) == [expected]


@pytest.mark.parametrize(
    ("column", "wrong", "advice"),
    [
        ("régie", "piscine", "Les régies connues sont : beauregard, petite-enfance, scolaire."),
        ("numéro", "91/61", "Un numéro de facture a 1 à 30 lettres sans accent, chiffres ou tirets : 9161."),
        ("exercice", "26", "Un exercice est une année sur quatre chiffres : 2026."),
    ],
)
def test_a_wrong_key_is_told_in_each_file_and_brings_no_other_fault(folder, column, wrong, advice):
    assert folder.faults(**whole(factures=[invoice() | {column: wrong}], lignes=[line() | {column: wrong}])) == [
        f"{file}.csv, ligne 2, colonne « {column} » : « {wrong} » est refusé. {advice}"
        for file in ("factures", "lignes")
    ]


@pytest.mark.parametrize("amount", ["60.00", "1.234,00", "60,001", "soixante", "", "6 0,00", "=1+1", "٦٠,٠٠"])
def test_an_amount_is_written_the_french_way(folder, amount):
    path = folder.write("soldes.csv", sheet("soldes", [balance(amount)], total="TOTAL;1;60,00"))
    known = folder.files(familles=[family()])

    (fault,) = run_faults(folder, path, *known)

    assert "colonne « solde »" in fault
    assert fault.endswith("Un montant s’écrit avec une virgule et au plus deux décimales, sans point : 60,00.")


def run_faults(folder, *paths):
    from sevres_familles.regies.exchange.running import run
    from tests.conftest import NOW

    outcome = run(folder.registry, paths, at=NOW)
    assert outcome.lot is None
    return [str(fault) for fault in outcome.faults.first]


def test_all_faults_are_told_at_once(folder):
    faults = folder.faults(
        familles=[family(R1_nom=""), family("99", **{"R2 e-mail": "non", "R2 nom": "X"})],
        factures=[invoice(état="?", **{"date d’émission": "hier"}), invoice("2", "404", left="99,00")],
        lignes=[line(déductible=""), line("2", "12,00")],
    )

    assert [fault.split(" : ")[0] for fault in faults] == [
        "familles.csv, ligne 2, colonne « R1 nom »",
        "familles.csv, ligne 3, colonne « R2 e-mail »",
        "factures.csv, ligne 2, colonne « date d’émission »",
        "factures.csv, ligne 2, colonne « état »",
        "lignes.csv, ligne 2, colonne « déductible »",
        "factures.csv, ligne 3, colonne « total »",
        "factures.csv, ligne 3, colonne « reste à payer »",
        "factures.csv, ligne 3, colonne « code famille »",
    ]


def test_past_a_thousand_faults_are_counted(folder):
    outcome = folder.take(familles=[family(str(each), R1_nom="") for each in range(PRINTED + 7)])

    assert outcome.faults.count == PRINTED + 7
    report = outcome.faults.report().splitlines()
    assert len(report) == PRINTED + 1
    assert report[-1] == "… et 7 autres fautes."


class TestWhatIsKnownAlready:
    @pytest.fixture(autouse=True)
    def known(self, folder):
        assert folder.take(familles=[family(), family("99")], factures=[invoice()], lignes=[line()]).lot == 1

    @pytest.mark.parametrize(
        ("rows", "found"),
        [
            (
                {"factures": [invoice(total="50,00")], "lignes": [line(amount="50,00")]},
                "total 50,00\u00a0€ au lieu de 60,00\u00a0€, lignes différentes",
            ),
            ({"factures": [invoice(libellé="AUTRE")], "lignes": [line()]},
             "libellé « AUTRE » au lieu de « FACTURATION CANTINES OCTO »"),
            ({"factures": [invoice(**{"date d’échéance": "01/12/2026"})], "lignes": [line()]},
             "date d’échéance 01/12/2026 au lieu de 30/11/2026"),
            ({"factures": [invoice(lot="AUTRE")]}, "lot « AUTRE » au lieu de « CANTINES »"),
            ({"factures": [invoice()], "lignes": [line(enfant="Hugo")]}, "lignes différentes"),
        ],
    )  # fmt: skip
    def test_an_invoice_that_says_something_else_is_refused(self, folder, rows, found):
        assert folder.faults(**rows) == [
            f"factures.csv, ligne 2 : La facture 2026-9161 est déjà connue autrement : {found}. {INVOICE_ADVICE}"
        ]

    def test_an_invoice_of_another_family_is_refused(self, folder):
        assert folder.faults(factures=[invoice(code="99")], lignes=[line()]) == [
            "factures.csv, ligne 2, colonne « code famille » : La facture 2026-9161 est déjà connue pour "
            "la famille 26719. " + INVOICE_ADVICE
        ]

    def test_its_lines_may_be_left_out_with_their_file(self, folder):
        assert folder.take(factures=[invoice(left="10,00")]).lot == 2

    def test_the_same_number_in_another_year_or_regie_is_another_invoice(self, folder):
        outcome = folder.take(
            factures=[invoice(exercice="2025"), invoice(régie="beauregard")],
            lignes=[line(exercice="2025"), line(régie="beauregard")],
        )

        assert outcome.lot == 2
