"""What is looked for on every page would be found."""

from tests.journeys.browsing import DESK
from tests.journeys.looking import faults_of

_BAD = """<html lang="fr"><head><title>Page</title><style>
  .btn { border: 0; background: #15266b; color: #fff; } a:focus { outline: none; box-shadow: 0 0 0 3px #000; }
  .cut { width: 230px; height: 1.6em; line-height: 1.2; overflow: hidden; }
  .wide { white-space: nowrap; font: 16px monospace; }
</style></head><body><main tabindex="-1"><h1>Titre</h1><a href="#x">Un lien</a>
<p class="cut">Des mots qui tiennent juste</p><p class="wide">vingt-sept signes, sans plus</p>
<button class="btn">Payer</button></main></body></html>"""


def test_cut_text_edgeless_buttons_and_hidden_focus_are_told(chromium):
    with chromium.new_context(viewport=DESK) as context:
        page = context.new_page()
        page.set_content(_BAD)

        faults = "\n".join(faults_of(page, "bad"))

    assert "scrolls sideways with text spaced" in faults
    assert 'cut with text spaced: <p class="cut">' in faults
    assert 'has no edge in forced colours: <button class="btn">' in faults
    assert "focus does not show in forced colours" in faults
    assert "scrolls sideways at" not in faults
