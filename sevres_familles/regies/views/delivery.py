"""« Recevoir vos factures »: on paper, or on line alone."""

from typing import Any

import colander
from deform.widget import CheckboxWidget
from pyramid.httpexceptions import HTTPConflict, HTTPSeeOther
from pyramid.response import Response
from pyramid.view import view_config

from sevres_familles.domain import french
from sevres_familles.families.delivery import BY_PORTAL, NotReachable, choose_delivery
from sevres_familles.families.resources import Family
from sevres_familles.identity.services import can_be_written_to, mail_address
from sevres_familles.regies.resources import Invoice, accounts_of
from sevres_familles.web.forms import FormView, NoSchema
from sevres_familles.web.security import Permission

PAGE = "recevoir-vos-factures"
_AGREE = "Cochez cette case pour ne plus recevoir de factures sur papier. Sinon, rien ne change."


def _is_ticked(node: colander.SchemaNode, ticked: bool) -> None:
    if not ticked:
        raise colander.Invalid(node, _AGREE)


class AgreementSchema(colander.Schema):
    """A box that the family ticks itself: a consent is never ticked beforehand."""

    accord = colander.SchemaNode(
        colander.Boolean(),
        title="Je ne veux plus recevoir mes factures sur papier. Je les lirai en ligne.",
        widget=CheckboxWidget(),
        validator=_is_ticked,
    )


@view_config(
    context=Family,
    name=PAGE,
    permission=Permission.FAMILY_VIEW,
    renderer="sevres_familles:templates/regies/delivery.pt",
)
class ChooseDelivery(FormView):
    """Show how invoices reach the family, and let it do without paper."""

    schema = AgreementSchema
    button = "Recevoir mes factures en ligne seulement"
    form_id = "en-ligne"
    context: Family

    def extra(self) -> dict[str, Any]:
        """Show what holds now and since when, an invoice as it looks on line, and the way back to paper."""
        family, request = self.context, self.request
        back = BackToPaper(family, request)
        back.action = request.resource_path(family, "factures-sur-papier")
        choices = family.delivery_choices
        return {
            "title": "Recevoir vos factures",
            "electronic": family.electronic_only,
            "refused": bool(choices) and choices[-1].by == BY_PORTAL,
            "since": french.long_date(french.local(choices[-1].at).date()) if choices else "",
            "email": mail_address(request.portal, request.registry, family.code),
            "possible": can_be_written_to(request.portal, family.code),
            "invoice": newest_invoice(family),
            "back": back.rendered(back.form()),
            "contact": request.town.contact,
        }

    def valid(self, appstruct: dict[str, Any]) -> Response:
        """Do without paper from now on.

        :raises HTTPConflict: when the family could not be told of its invoices.
        """
        request = self.request
        try:
            choose_delivery(request.portal, request.registry, self.context, electronic=True, at=request.now)
        except NotReachable:
            raise HTTPConflict(
                "Confirmez d’abord votre adresse e-mail\u00a0: c’est là que nous vous préviendrons de vos factures. "
                "Rien n’a changé."
            ) from None
        request.session.flash("C’est noté\u00a0: vos prochaines factures arriveront en ligne seulement.")
        return HTTPSeeOther(request.resource_url(self.context, PAGE))


@view_config(context=Family, name="factures-sur-papier", permission=Permission.FAMILY_VIEW)
class BackToPaper(FormView):
    """Have invoices printed again: as easy as doing without was."""

    schema = NoSchema
    button = "Recevoir à nouveau mes factures sur papier"
    button_class = ""
    form_id = "sur-papier"
    context: Family

    def show(self) -> Any:
        """Lead to the page where the button stands."""
        return HTTPSeeOther(self.request.resource_url(self.context, PAGE))

    def valid(self, appstruct: dict[str, Any]) -> Response:
        """Have paper from now on."""
        request = self.request
        choose_delivery(request.portal, request.registry, self.context, electronic=False, at=request.now)
        request.session.flash("C’est noté\u00a0: vos prochaines factures arriveront sur papier, par la poste.")
        return HTTPSeeOther(request.resource_url(self.context, PAGE))


def newest_invoice(family: Family) -> Invoice | None:
    """Find the invoice that was issued last, whichever régie's."""
    invoices = [invoice for account in accounts_of(family) for invoice in account]
    return max(invoices, key=lambda each: (each.facts.issued_on, each.facts.key.number), default=None)


def delivery_of_record(family: Family, request: Any) -> dict[str, Any]:
    """Say on « Votre dossier » how invoices reach the family."""
    return {"electronic": family.electronic_only, "url": request.resource_path(family, PAGE)}
