"""A town with everything in it: invoices and payments in every state, of two families, and all that comes with them."""

from datetime import date, timedelta
from typing import Any, NamedTuple

from sevres_familles.domain.family import FamilyRecord
from sevres_familles.domain.invoice import BillingState
from sevres_familles.domain.money import Money
from sevres_familles.domain.payment import EvidenceKind, PaymentState
from sevres_familles.families.delivery import choose_delivery
from sevres_familles.families.resources import Family
from sevres_familles.identity.services import ask_confirmation, ask_reset, attempts, credentials_of
from sevres_familles.payments.resources import Payment
from sevres_familles.payments.services import apply, expire
from sevres_familles.web.root import Portal
from tests import factories
from tests.conftest import NOW
from tests.identity.helpers import give_password, give_printed_password
from tests.payments.making import AT, evidence, opened

CODE, OTHER, PRINTED = factories.CODE, "31415", "27182"
#: What becomes of the payments of a family, by name: what the bank says of each.
STORIES = {
    "redirected": (),
    "pending": (EvidenceKind.PENDING,),
    "refused": (EvidenceKind.REFUSED,),
    "cancelled": (EvidenceKind.ABANDONED,),
    "expired": (),
    "accepted": (EvidenceKind.AUTHORISED,),
    "captured": (EvidenceKind.AUTHORISED, EvidenceKind.CAPTURED),
    "reconciled": (EvidenceKind.AUTHORISED, EvidenceKind.CAPTURED),
    "paid twice": (EvidenceKind.AUTHORISED, EvidenceKind.AUTHORISED),
    "refunded": (EvidenceKind.AUTHORISED, EvidenceKind.CREDIT),
    "voided": (EvidenceKind.AUTHORISED, EvidenceKind.VOIDED),
    "charged back": (EvidenceKind.AUTHORISED, EvidenceKind.CHARGEBACK),
    "set aside": (EvidenceKind.UNCLEAR,),
}
_LATE = date(2026, 10, 15)
_FIGURES: dict[str, dict[str, Any]] = {
    "9161": {},
    "9162": {"invoiced": {"due_on": _LATE}},
    "9163": {"remaining": Money(2500)},
    "9164": {"remaining": Money(0), "state": BillingState.PAID_AT_COUNTER},
    "9165": {"state": BillingState.SENT_TO_TREASURY},
    "9166": {"state": BillingState.CANCELLED},
    "9167": {"remaining": Money(-1200)},
}


class RichFamily(NamedTuple):
    """The addresses of a family that has everything."""

    code: str
    payments: dict[str, str]
    #: Its régies: the one that has everything, and one with many invoices.
    regies: tuple[str, str]

    @property
    def home(self) -> str:
        return f"/familles/{self.code}/"

    @property
    def addresses(self) -> list[str]:
        """Every page of the family, and of its payments."""
        account = f"{self.home}comptes/{self.regies[0]}/"
        return [
            *(
                self.home + name
                for name in ("", "dossier", "paiements", "recevoir-vos-factures", "comptes", "comptes/")
            ),
            *(
                account + name
                for name in (
                    "",
                    "payer",
                    "payer?facture=2026-9161",
                    "2026-9161",
                    "2026-9161/",
                    "2026-9162",
                    "2026-9161/facture.pdf",
                    "2026-9161/facture.png",
                )
            ),
            f"{self.home}comptes/{self.regies[1]}/",
            *(
                f"/paiements/{reference}{view}"
                for reference in self.payments.values()
                for view in ("", "/", "/etat", "/retour", "/continuer", "/recu.pdf", "/recu.pdf/2026-SCO-000001")
            ),
        ]


def store_rich_town(
    portal: Portal,
    registry: Any,
    *,
    record: FamilyRecord = factories.DUPOND,
    regies: tuple[str, str] = ("scolaire", "beauregard"),
) -> dict[str, RichFamily]:
    """Store two families that have everything, and one that has its printed password alone."""
    families = {code: _store_rich_family(portal, registry, code, record, regies) for code in (CODE, OTHER)}
    factories.store_family(portal, PRINTED, record)
    give_printed_password(portal, registry, PRINTED)
    attempts(portal, registry, address="192.0.2.9", code=CODE, at=NOW).fail()
    return families


def _store_rich_family(
    portal: Portal, registry: Any, code: str, record: FamilyRecord, regies: tuple[str, str]
) -> RichFamily:
    key = registry.settings_of_portal.secret("tokens.key")
    family = factories.store_family(portal, code, record, key=key)
    for number, options in _FIGURES.items():
        invoiced = factories.facts(number, **options.get("invoiced", {}))
        figures = {k: v for k, v in options.items() if k != "invoiced"}
        factories.store_invoice(family, invoiced, regie=regies[0], **figures)
    for number in range(26):
        factories.store_invoice(family, factories.facts(f"8{number:03}"), regie=regies[1])
    account = family.nodes["comptes"][regies[0]]
    account.stage_balance(portal.stores["lots"].published, Money(6000), date(2026, 11, 20))
    give_printed_password(portal, registry, code)
    give_password(portal, registry, code)
    ask_reset(portal, registry, next(record.emails()), NOW)
    ask_confirmation(portal, registry, code, "claire@ville.example", NOW)
    credentials_of(portal, code).email = "dupond@free.fr"
    choose_delivery(portal, registry, family, electronic=True, at=NOW)
    payments = {}
    for number, story in enumerate(STORIES):
        payments[story] = _store_payment(portal, registry, family, regies[0], f"77{number:02}", story).reference
    return RichFamily(code, payments, regies)


def _store_payment(portal: Portal, registry: Any, family: Family, regie: str, number: str, story: str) -> Payment:
    factories.store_invoice(family, factories.facts(number), regie=regie)
    payment = opened(portal, registry, f"2026-{number}", code=family.code, regie=regie)
    for step, kind in enumerate(STORIES[story]):
        at = AT + timedelta(minutes=step + 1)
        again = "-again" if kind in STORIES[story][:step] else ""
        apply(portal, registry, payment, evidence(kind, transaction=f"{family.code}-{number}{again}", at=at))
    if story == "expired":
        expire(portal, payment, AT + timedelta(minutes=20))
    if story == "reconciled":
        payment.move(PaymentState.RECONCILED, AT + timedelta(days=1))
    return payment
