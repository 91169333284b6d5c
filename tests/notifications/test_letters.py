"""What people read, from the fact announced to the mail in their box."""

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pypdf
import pytest

import sevres_familles
from sevres_familles.domain.invoice import BillingFigures, BillingState
from sevres_familles.domain.money import ZERO, Money
from sevres_familles.domain.payment import EvidenceKind
from sevres_familles.families.delivery import BY_FAMILY, BY_PORTAL, BY_SERVICE
from sevres_familles.families.events import DeliveryChosen
from sevres_familles.identity.events import (
    EmailConfirmationAsked,
    EmailReplaced,
    NewDeviceSeen,
    PasswordChanged,
    ResetAsked,
    ResetLink,
)
from sevres_familles.identity.services import credentials_of
from sevres_familles.identity.tokens import Purpose, token_for
from sevres_familles.notifications.delivery import deliver_due
from sevres_familles.payments.services import apply
from sevres_familles.regies.events import InvoicesPublished
from tests import factories
from tests.conftest import NOW
from tests.payments.making import AT, evidence, opened

MAILS = Path(sevres_familles.__file__).parent / "templates" / "mail"
NBSP = "\N{NO-BREAK SPACE}"
NONCES = ("0123456789abcdef" * 2, "fedcba9876543210" * 2)


@pytest.fixture
def announce(stored, registry):
    """Announce an event in a transaction, as an act does."""

    def announce(kind, **values):
        with stored() as portal:
            registry.notify(kind(portal=portal, at=NOW, **values))

    return announce


@pytest.fixture
def delivered(registry, server):
    """Deliver what waits, and give the mails."""

    def delivered():
        deliver_due(registry)
        return server.messages

    return delivered


def text_of(message):
    return message.get_body().get_content().replace("\r\n", "\n")


def waiting(stored):
    with stored() as portal:
        return [(mail.kind, mail.recipient, mail.context) for mail in portal.stores["outbox"].waiting.values()]


class TestEveryMail:
    @pytest.fixture
    def message(self, announce, delivered):
        announce(PasswordChanged, code="26719", emails=("dupond@free.fr",))
        return delivered()[0]

    def test_comes_from_the_town_at_the_time_of_its_clock(self, message):
        assert str(message["From"]) == "Espace familles de Sèvres <portail@ville.example>"
        assert message["Date"].datetime == NOW
        assert re.fullmatch(r"<[0-9a-f]{32}@ville\.example>", message["Message-ID"])

    def test_asks_robots_not_to_answer(self, message):
        assert message["Auto-Submitted"] == "auto-generated"
        assert not [name for name in message if name.lower().startswith("list-")]

    def test_is_plain_text_that_follows_nobody(self, message):
        assert message.get_content_type() == "text/plain"
        assert re.findall(r"https?://\S+", text_of(message)) == [
            "http://localhost/identifiants-oublies",
            "http://localhost/",
        ]

    def test_ends_with_whom_to_call(self, announce, delivered):
        announce(ResetAsked, email="dupond@free.fr", links=(ResetLink("26719", NONCES[0]),))

        assert text_of(delivered()[0]).endswith(
            f"Une question{NBSP}? Contactez-nous{NBSP}: 01 41 14 11 23 ou 01 41 14 11 29.\n"
            "Service des Affaires Scolaires et de l’Animation Périscolaire\n"
            "54 Grande Rue, 92310 Sèvres\n"
            "Du lundi au vendredi, de 8\u00a0h\u00a030 à 12\u00a0h et de 13\u00a0h\u00a030 à 17\u00a0h\u00a030.\n\n"
            "Espace familles de Sèvres\nhttp://localhost/\n"
        )

    def test_that_says_whom_to_call_for_a_reason_says_it_once(self, message):
        text = text_of(message)

        assert text.count("01 41 14 11 23 ou 01 41 14 11 29") == 1
        assert "Une question" not in text
        assert "11 29.\n\nService des Affaires Scolaires" in text

    @pytest.mark.parametrize("path", sorted(MAILS.glob("*.txt")), ids=lambda path: path.stem)
    def test_has_no_break_spaces_before_the_signs_of_french(self, path):
        assert re.findall(r"\w [:;?!](?=\s)", path.read_text(encoding="utf-8")) == []

    @pytest.mark.parametrize(
        ("email", "said"),
        [("service@ville.example", "service@ville.example"), ("", "Service des Affaires Scolaires")],
    )
    def test_a_town_without_a_telephone_is_reached_by_its_address(self, announce, delivered, registry, email, said):
        contact = registry.town.contact
        object.__setattr__(contact, "phones", ())
        object.__setattr__(contact, "email", email)
        announce(PasswordChanged, code="26719", emails=("dupond@free.fr",))

        text = text_of(delivered()[0])

        assert f"2. Puis prévenez-nous{NBSP}: {said}" in text

    def test_has_no_reply_address_when_the_town_gives_none(self, message):
        assert message["Reply-To"] is None

    def test_is_answered_to_the_town_when_it_gives_an_address(self, announce, delivered, registry):
        contact = registry.town.contact
        object.__setattr__(contact, "email", "affaires.scolaires@ville.example")
        announce(PasswordChanged, code="26719", emails=("dupond@free.fr",))

        assert delivered()[0]["Reply-To"] == "affaires.scolaires@ville.example"


class TestIdentifiers:
    def test_gives_the_code_and_a_link_that_dies_within_the_hour(self, announce, delivered, registry):
        announce(ResetAsked, email="dupond@free.fr", links=(ResetLink("26719", NONCES[0]),))

        (message,) = delivered()

        text, token = text_of(message), token_for(registry.settings_of_portal, Purpose.RESET, "26719", NONCES[0])
        assert message["Subject"] == "Vos identifiants - Espace familles de Sèvres"
        assert "Vous avez demandé vos identifiants le lundi 23 novembre 2026 à 15:35." in text
        assert f"Code d’accès{NBSP}: 26719\n" in text
        assert f"\nhttp://localhost/nouveau-mot-de-passe/26719/{token}\n" in text
        assert "Ce lien sert une seule fois, avant le lundi 23 novembre 2026 à 16:35." in text
        assert f"Vous n’avez rien demandé{NBSP}? Ne faites rien" in text

    def test_serves_every_family_behind_an_address_in_one_mail(self, announce, delivered, registry):
        links = (ResetLink("26719", NONCES[0]), ResetLink("30001", NONCES[1]))
        announce(ResetAsked, email="dupond@free.fr", links=links)

        (message,) = delivered()

        text = text_of(message)
        assert "Plusieurs familles utilisent cette adresse" in text
        assert "Chaque lien sert une seule fois" in text
        for link in links:
            token = token_for(registry.settings_of_portal, Purpose.RESET, link.code, link.nonce)
            assert f"Code d’accès{NBSP}: {link.code}\n" in text
            assert f"\nhttp://localhost/nouveau-mot-de-passe/{link.code}/{token}\n" in text

    def test_waits_without_a_token(self, announce, stored, registry):
        announce(ResetAsked, email="dupond@free.fr", links=(ResetLink("26719", NONCES[0]),))

        ((_, _, context),) = waiting(stored)
        assert context == {"links": [{"code": "26719", "nonce": NONCES[0]}]}
        assert json.loads(json.dumps(context)) == context


class TestPasswordChanged:
    def test_says_when_and_what_to_do_if_it_was_someone_else(self, announce, delivered):
        announce(PasswordChanged, code="26719", emails=("dupond@free.fr",))

        (message,) = delivered()

        text = text_of(message)
        assert message["Subject"] == "Nouveau mot de passe enregistré - Espace familles de Sèvres"
        assert "enregistré le lundi 23 novembre 2026 à 15:35." in text
        assert "code d’accès 26719" in text
        assert f"Ce n’était pas vous{NBSP}?" in text
        assert "http://localhost/identifiants-oublies" in text

    def test_tells_every_address_by_a_mail_of_its_own(self, announce, delivered):
        announce(PasswordChanged, code="26719", emails=("dupond@free.fr", "danielle@free.fr"))

        assert sorted(str(message["To"]) for message in delivered()) == ["danielle@free.fr", "dupond@free.fr"]

    def test_tells_nobody_when_no_address_is_known(self, announce, delivered):
        announce(PasswordChanged, code="26719", emails=())

        assert delivered() == []


def test_confirming_an_address_asks_for_one_click(announce, delivered, registry):
    announce(EmailConfirmationAsked, code="26719", email="pierre@dupond.example", nonce=NONCES[0])

    (message,) = delivered()

    text, token = text_of(message), token_for(registry.settings_of_portal, Purpose.EMAIL, "26719", NONCES[0])
    assert message["Subject"] == "Confirmez votre adresse e-mail - Espace familles de Sèvres"
    assert message["To"] == "pierre@dupond.example"
    assert (
        f"ouvrez ce lien avant le jeudi 26 novembre 2026 à 15:35{NBSP}:\nhttp://localhost/confirmer-mon-adresse/26719/{token}\n"
        in text
    )


class TestNewDevice:
    @pytest.fixture
    def message(self, announce, delivered):
        announce(NewDeviceSeen, code="26719", device="Firefox sous Windows", emails=("dupond@free.fr",))
        return delivered()[0]

    def test_says_when_and_from_what(self, message):
        text = text_of(message)

        assert message["Subject"] == "Nouvelle connexion à votre espace - Espace familles de Sèvres"
        assert f"Date{NBSP}: lundi 23 novembre 2026 à 15:35\n" in text
        assert f"Appareil{NBSP}: Firefox sous Windows\n" in text

    def test_says_what_to_do_and_holds_no_secret(self, message):
        assert re.findall(r"https?://\S+", text_of(message)) == [
            "http://localhost/identifiants-oublies",
            "http://localhost/vos-connexions",
            "http://localhost/",
        ]


class TestEmailReplaced:
    @pytest.fixture
    def message(self, announce, delivered):
        announce(EmailReplaced, code="26719", emails=("dupond@free.fr",))
        return delivered()[0]

    def test_is_told_and_not_by_what(self, message):
        assert message["Subject"] == "Votre adresse e-mail a changé - Espace familles de Sèvres"
        assert message["To"] == "dupond@free.fr"
        assert "confirmée le lundi 23 novembre 2026 à 15:35 pour le code d’accès 26719" in text_of(message)

    def test_says_first_how_to_take_one_s_address_back_and_whom_to_call_without_a_way_in(self, message):
        text = text_of(message)

        assert re.findall(r"https?://\S+", text) == [
            "http://localhost/confirmer-mon-e-mail",
            "http://localhost/identifiants-oublies",
            "http://localhost/mot-de-passe",
            "http://localhost/",
        ]
        assert f"3. Prévenez-nous{NBSP}: 01 41 14 11 23 ou 01 41 14 11 29.\n" in text
        assert f"aucun lien ne vous parvient{NBSP}? Dites-le-nous tout de suite{NBSP}: 01 41 14 11 23" in text

    def test_every_other_address_is_told_by_a_mail_of_its_own(self, announce, delivered):
        announce(EmailReplaced, code="26719", emails=("pierre@ville.example", "dupond@free.fr"))

        assert sorted(str(each["To"]) for each in delivered()) == ["dupond@free.fr", "pierre@ville.example"]


class TestDelivery:
    @pytest.fixture
    def invoices(self, stored, registry):
        """Announce invoices of the DUPOND family, which confirmed an address and wants no paper."""

        def publish(*facts, **standing):
            with stored() as portal:
                family = factories.store_family(portal)
                credentials_of(portal, family.code).email = "pierre@ville.example"
                stored_ones = tuple(factories.store_invoice(family, each, **standing) for each in facts)
                registry.notify(InvoicesPublished(portal=portal, invoices=stored_ones, at=NOW))

        return publish

    @pytest.mark.parametrize(
        ("electronic", "by", "subject", "words"),
        [
            (True, BY_FAMILY, "Vos factures en ligne seulement", "Nous vous écrirons à chaque nouvelle facture"),
            (False, BY_FAMILY, "Vos factures à nouveau sur papier", "Vous avez choisi de recevoir à nouveau"),
            (False, BY_SERVICE, "Vos factures à nouveau sur papier", "Nous avons noté que vos factures"),
            (False, BY_PORTAL, "Vos factures à nouveau sur papier", "a été refusé par votre messagerie"),
        ],
    )
    def test_a_choice_is_confirmed_with_the_way_back(self, stored, announce, delivered, electronic, by, subject, words):
        with stored() as portal:
            factories.store_family(portal)
        announce(DeliveryChosen, code="26719", electronic=electronic, by=by, emails=("dupond@free.fr",))

        (message,) = delivered()

        assert message["Subject"] == f"{subject} - Espace familles de Sèvres"
        assert words in text_of(message)
        assert "http://localhost/familles/26719/recevoir-vos-factures" in text_of(message)
        assert f"Dites-le-nous{NBSP}: 01 41 14 11 23 ou 01 41 14 11 29.\n" in text_of(message)

    def test_an_invoice_on_line_is_told_to_the_confirmed_address_with_its_link(self, invoices, delivered):
        invoices(factories.facts("9161", label="FACTURATION\r\nCANTINES"))

        (message,) = delivered()

        text = text_of(message)
        assert message["To"] == "pierre@ville.example"
        assert message["Subject"] == "Votre facture est en ligne - Espace familles de Sèvres"
        assert "\nFACTURATION CANTINES\n" in text
        assert "À payer avant le lundi 30 novembre 2026\n" in text
        assert "\nhttp://localhost/familles/26719/comptes/scolaire/2026-9161/\n" in text

    def test_an_invoice_that_is_paid_by_then_is_not_asked_for(self, invoices, delivered):
        invoices(factories.facts("9161"), remaining=ZERO)

        text = text_of(delivered()[0])

        assert f"\nÉtat{NBSP}: payée\n" in text
        assert "À payer" not in text
        assert "Vous pouvez la lire et l’enregistrer." in text

    def test_an_invoice_that_is_paid_before_the_mail_leaves_is_not_asked_for(self, invoices, delivered, stored):
        invoices(factories.facts("9161"))
        with stored() as portal:
            invoice = portal["familles"]["26719"]["comptes"]["scolaire"]["2026-9161"]
            lot = invoice.account.lots.give()
            invoice.stage(lot, BillingFigures(ZERO, BillingState.DUE))
            invoice.account.lots.publish(lot)

        assert "À payer" not in text_of(delivered()[0])

    @pytest.mark.parametrize("state", [BillingState.CANCELLED, BillingState.SENT_TO_TREASURY])
    def test_what_billing_took_back_is_not_told(self, invoices, delivered, state):
        invoices(factories.facts("9161"), state=state)

        assert delivered() == []

    def test_it_tells_neither_amounts_nor_children(self, invoices, delivered):
        invoices(factories.facts("9161"))

        text = text_of(delivered()[0])

        assert "€" not in text
        assert "Léa" not in text

    def test_several_invoices_of_a_family_are_one_mail(self, invoices, delivered):
        invoices(factories.facts("9161"), factories.facts("9162"))

        (message,) = delivered()

        assert message["Subject"] == "Vos factures sont en ligne - Espace familles de Sèvres"
        assert text_of(message).count("/comptes/scolaire/2026-") == 2


class TestReceipt:
    @pytest.fixture
    def pay(self, stored, registry, clock):
        """Pay two invoices; the bank takes an amount in cents."""

        def pay(cents=10280, *, label="GARDERIES OCTO", email="dupond@free.fr", record=factories.DUPOND):
            with stored() as portal:
                family = factories.store_family(portal, record=record)
                factories.store_invoice(family)
                factories.store_invoice(
                    family, factories.facts("9174", amount=Money(4280), label=label, lot="GARDERIES")
                )
            with stored() as portal:
                payment = opened(portal, registry, "2026-9161", "2026-9174")
                payment.email = email
                clock.moment = AT
                apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED, cents))
                return payment.reference

        return pay

    def test_says_what_how_much_and_under_which_references(self, pay, delivered):
        reference = pay()

        (message,) = delivered()

        text = text_of(message)
        assert message["To"] == "dupond@free.fr"
        assert message["Subject"] == "Reçu de paiement 2026-SCO-000001 - Espace familles de Sèvres"
        for line in (
            f"Somme payée{NBSP}: 102,80{NBSP}€",
            f"Payée à{NBSP}: Régie scolaire et périscolaire",
            f"Date{NBSP}: lundi 23 novembre 2026 à 15:40",
            f"Moyen de paiement{NBSP}: Carte bancaire",
            f"Numéro du reçu{NBSP}: 2026-SCO-000001",
            f"Référence du paiement{NBSP}: {reference}",
            f"Facture réglée{NBSP}: FACTURATION CANTINES OCTO",
            f"Référence{NBSP}: CANTINES-9161-26719",
            f"Montant{NBSP}: 60,00{NBSP}€",
            f"Facture réglée{NBSP}: GARDERIES OCTO",
            f"Référence{NBSP}: GARDERIES-9174-26719",
            f"Montant{NBSP}: 42,80{NBSP}€",
            f"http://localhost/paiements/{reference}/",
        ):
            assert line in text.split("\n")
        assert "aucune facture" not in text

    def test_carries_the_receipt_as_pdf(self, pay, delivered):
        pay()

        (message,) = delivered()

        (part,) = message.iter_attachments()
        assert (part.get_content_type(), part.get_filename()) == ("application/pdf", "recu-2026-SCO-000001.pdf")
        pdf = pypdf.PdfReader(io.BytesIO(part.get_content()))
        assert "2026-SCO-000001" in pdf.pages[0].extract_text()

    def test_says_what_no_invoice_could_take(self, pay, delivered):
        pay(12000)

        text = text_of(delivered()[0])

        assert f"\n17,20{NBSP}€ n’ont pu être affectés à aucune facture.\n" in text

    def test_of_money_that_no_invoice_took_says_so_in_the_mail_and_in_its_pdf(self, pay, delivered, stored, registry):
        reference = pay()
        with stored() as portal:
            second = evidence(EvidenceKind.AUTHORISED, 788, transaction="u2")
            apply(portal, registry, portal["paiements"][reference], second)

        (message,) = (each for each in delivered() if "2026-SCO-000002" in each["Subject"])

        assert f"7,88{NBSP}€ n’ont pu être affectés à aucune facture.\n" in text_of(message)
        assert "\n\n\n" not in text_of(message)
        (part,) = message.iter_attachments()
        said = " ".join(pypdf.PdfReader(io.BytesIO(part.get_content())).pages[0].extract_text().split())
        assert "Détail du paiement" in said
        assert "Somme gardée par la régie, à affecter 7,88 €" in said
        assert "Facture réglée" not in said

    def test_goes_to_the_address_of_the_record_when_the_payment_has_none(self, pay, delivered):
        pay(email="")

        assert delivered()[0]["To"] == "dupond@free.fr"

    def test_is_not_written_to_a_family_without_an_address(self, pay, stored):
        pay(email="", record=factories.DUPOND._replace(guardians=factories.DUPOND.guardians[1:]))

        assert waiting(stored) == []

    def test_a_label_stays_on_its_line(self, pay, delivered):
        pay(label="GARDERIES\r\n\r\nAppelez le 08 99 00 00 00\x00")

        (message,) = delivered()

        assert f"Facture réglée{NBSP}: GARDERIES Appelez le 08 99 00 00 00\x00" in text_of(message).split("\n")
        assert b"\x00" not in message.as_bytes()

    def test_says_when_the_payment_was_and_not_when_the_mail_left(self, pay, delivered, clock):
        pay()
        clock.moment = datetime(2026, 11, 24, 8, tzinfo=UTC)

        (message,) = delivered()

        assert AT < message["Date"].datetime == clock.moment
        assert f"Date{NBSP}: lundi 23 novembre 2026 à 15:40\n" in text_of(message)


class TestTransaction:
    def test_a_mail_of_an_act_that_is_undone_does_not_exist(self, stored, registry, delivered):
        class UndoneError(Exception):
            pass

        def undo(portal):
            registry.notify(PasswordChanged(portal=portal, code="26719", emails=("dupond@free.fr",), at=NOW))
            raise UndoneError

        with pytest.raises(UndoneError), stored() as portal:
            undo(portal)

        assert waiting(stored) == []
        assert delivered() == []

    def test_an_address_that_is_none_does_not_undo_the_act(self, announce, stored, delivered):
        announce(PasswordChanged, code="26719", emails=("dupond@free.fr\r\nBcc: autre@example.org", "danielle@free.fr"))

        assert [str(message["To"]) for message in delivered()] == ["danielle@free.fr"]
        with stored() as portal:
            assert [mail.error for mail in portal.stores["outbox"].given_up()] == ["WrongAddress"]


class TestMoneyReturned:
    """What the payer is told when money went back."""

    @pytest.fixture
    def mailed(self, stored, registry, clock, delivered):
        def mailed(kind, amount):
            clock.moment = AT
            with stored() as portal:
                factories.store_invoice(factories.store_family(portal))
                payment = opened(portal, registry)
                apply(portal, registry, payment, evidence(EvidenceKind.AUTHORISED))
                back = evidence(kind, amount, transaction="u2" if kind is EvidenceKind.CREDIT else "u1")
                apply(portal, registry, payment, back)
                apply(portal, registry, payment, back)
            (message,) = [each for each in delivered() if not str(each["Subject"]).startswith("Reçu")]
            return message, payment.reference

        return mailed

    @pytest.mark.parametrize(
        ("kind", "amount", "subject", "words"),
        [
            (EvidenceKind.CREDIT, 2000, "Remboursement de votre paiement", "vous a remboursé 20,00"),
            (EvidenceKind.VOIDED, 6000, "Annulation de votre paiement", "Votre carte n’est pas débitée."),
            (EvidenceKind.CHARGEBACK, 6000, "Votre banque a repris votre paiement", "Votre banque a repris 60,00"),
        ],
    )
    def test_is_told_once_with_what_is_due_again(self, mailed, kind, amount, subject, words):
        message, reference = mailed(kind, amount)

        text = text_of(message)
        assert str(message["Subject"]).startswith(subject)
        assert str(message["To"]) == "dupond@free.fr"
        assert words in text
        assert f"Reste à payer{NBSP}: {Money(amount)}" in text
        assert f"http://localhost/paiements/{reference}/" in text
        assert f"Référence{NBSP}: CANTINES-9161-26719" in text
