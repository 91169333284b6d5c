"""From the public home to the receipt with Tab, Shift+Tab, Enter and Space alone (requirements A5)."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.identity.helpers import PASSWORD
from tests.journeys.conftest import Visit
from tests.journeys.settling import bill, settle
from tests.journeys.town import Town
from tests.sandbox.shop import ACCEPTED

#: More stops than any page of the journey has.
MOST_STOPS = 120

_FOCUSED = """() => {
  const at = document.activeElement, style = getComputedStyle(at), ring = parseFloat(style.outlineWidth);
  const box = at.getBoundingClientRect(), labels = [...(at.labels || [])].map(each => each.textContent);
  const middle = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return {
    name: (at.getAttribute('aria-label') || labels.join(' ') || at.textContent).trim().replace(/\\s+/g, ' '),
    nothing: at === document.body,
    ringed: style.outlineStyle !== 'none' && ring >= 2,
    inSight: box.bottom > 0 && box.top < innerHeight && (!middle || at.contains(middle) || middle.contains(at)
      || labels.length > 0),
  };
}"""


class Hands:
    """Someone who has a keyboard and no mouse, and looks where the focus is at each stop."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.unseen: list[str] = []

    def stop(self, key: str = "Tab") -> str:
        """Go to the next stop, and give its name."""
        self.page.keyboard.press(key)
        at = self.page.evaluate(_FOCUSED)
        if not at["nothing"] and not (at["ringed"] and at["inSight"]):
            self.unseen.append(f"{self.page.url}: {at['name']} {at}")
        return "" if at["nothing"] else str(at["name"])

    def go_to(self, name: str, key: str = "Tab") -> None:
        """Go on until the stop of that name, by the start of it.

        :raises AssertionError: when there is none on the way.
        """
        passed: list[str] = []
        for _ in range(MOST_STOPS):
            passed.append(self.stop(key))
            if re.match(name, passed[-1]):
                return
        raise AssertionError(f"no stop {name!r} among {passed}")

    def press(self, name: str, key: str = "Enter") -> None:
        """Go to a stop and press it."""
        self.go_to(name)
        self.page.keyboard.press(key)

    def type_in(self, name: str, text: str) -> None:
        """Go to a field and type."""
        self.go_to(name)
        self.page.keyboard.type(text)


@pytest.fixture
def hands(visit: Visit) -> Hands:
    # Pages glide to the focus; here they jump, so that it can be seen where it is.
    return Hands(visit(reduced_motion="reduce"))


def heading(page: Page, words: str) -> None:
    expect(page.get_by_role("heading", name=words).first).to_be_visible()


def test_pays_from_the_public_home_to_the_receipt(hands: Hands, town: Town):
    page = hands.page
    code = settle(town, "30301", bill(), bill("9174", 4280, label="GARDERIE DU SOIR OCTO"))
    page.goto(town.url)
    assert hands.stop() == "Aller au contenu"
    page.keyboard.press("Enter")
    hands.press("Accéder à mon espace personnel")
    heading(page, "Identification")
    hands.type_in("Code d’accès", code)
    hands.type_in("Mot de passe", PASSWORD)
    hands.press("Connexion$")
    heading(page, "À payer maintenant")
    hands.press("Détail de vos coordonnées et paiement")
    heading(page, "Votre dossier")
    hands.press("Accéder aux factures")
    heading(page, "Vos factures")
    hands.press("Choisir GARDERIE DU SOIR OCTO", "Space")
    expect(page.locator("output")).to_have_text("42,80 €")
    hands.go_to("Payer par carte bancaire")
    hands.go_to("Choisir GARDERIE DU SOIR OCTO", "Shift+Tab")
    hands.press("Payer par carte bancaire")
    heading(page, "Vérifiez avant de payer")
    hands.press("Confirmer", "Space")
    heading(page, "Tout est prêt")
    hands.press("Continuer vers la banque")
    heading(page, "Paiement sécurisé par carte")
    hands.type_in("Saisissez votre numéro de carte", ACCEPTED)
    hands.type_in("Mois", "12")
    hands.type_in("Année", "2045")
    hands.type_in("Retournez votre carte", "837")
    hands.press("Valider")
    heading(page, "Votre paiement est accepté")
    hands.press("Retour à la boutique")
    heading(page, "Merci, votre paiement est accepté")
    hands.go_to("Reçu en PDF")
    assert hands.unseen == []


def test_no_page_traps_the_focus(hands: Hands, town: Town):
    hands.page.goto(f"{town.url}connexion")

    hands.go_to("Code source")

    assert hands.stop() in ("", "Aller au contenu")
    assert hands.unseen == []
