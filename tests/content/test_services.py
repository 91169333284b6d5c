"""Saving and publishing: what is kept, what is cleaned, what is refused."""

from datetime import UTC, datetime

import pytest

from sevres_familles.content import facts
from sevres_familles.content.resources import Folder, Page
from sevres_familles.content.services import clean, publish, save_version

NOW = datetime(2026, 11, 23, 14, 35, tzinfo=UTC)
NBSP = "\N{NO-BREAK SPACE}"


def save(page, html="<p>Bonjour</p>", **values):
    told = {"title": "Titre", "summary": "Résumé", "author": "Claire", "at": NOW, "note": "Coquille"} | values
    return save_version(page, html=html, **told)


def test_a_saved_version_waits_as_a_draft():
    page = Page(1)

    number = save(page)

    assert (page.draft, page.live) == (number, None)
    with pytest.raises(KeyError):
        _ = page.text


def test_publishing_makes_the_draft_live():
    page = Page(1)
    save(page, title="Première")
    publish(page)

    save(page, title="Deuxième")

    assert page.text.title == "Première"
    publish(page)
    assert page.text.title == "Deuxième"
    assert [version.title for version in page.versions.values()] == ["Première", "Deuxième"]


def test_nothing_is_published_without_a_draft():
    with pytest.raises(ValueError, match="no draft"):
        publish(Page(1))


def test_a_version_cannot_be_changed():
    page = Page(1)
    save(page)

    with pytest.raises(AttributeError):
        page.versions[1].title = "Autre"


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>",
        "<p onclick='alert(1)'>a</p>",
        "<a href='javascript:alert(1)'>a</a>",
        "<img src=x onerror=alert(1)>",
        "<svg><script>alert(1)</script></svg>",
        "<p style='color:red'>a</p>",
        "<iframe src='https://evil.example'></iframe>",
        "<a href='data:text/html,<script>alert(1)</script>'>a</a>",
        "<form action='https://evil.example'><input name=mdp></form>",
    ],
)
def test_what_can_do_harm_is_taken_out(html):
    cleaned = clean(html)

    for trace in ("alert", "<svg", "<img", "<iframe", "<form", "<input", "style=", "javascript:", "data:"):
        assert trace not in cleaned


def test_what_the_help_is_made_of_stays():
    html = (
        '<ol class="steps"><li><strong>Un</strong></li></ol>'
        '<div class="note warn"><p><a href="/aide/contact">b</a></p></div>'
        '<table><caption>c</caption><thead><tr><th scope="col">d</th></tr></thead>'
        "<tbody><tr><td>e</td></tr></tbody></table>"
    )

    assert clean(html) == html


def test_other_classes_are_taken_out():
    assert clean('<div class="note evil">a</div>') == '<div class="note">a</div>'


def test_headings_get_anchors_of_their_words_each_a_different_one():
    cleaned = clean("<h2>À la banque</h2><h2>À la <em>banque</em></h2><h2>?</h2>")

    assert [part for part in cleaned.split('"') if "<" not in part] == ["a-la-banque", "a-la-banque-2", "partie"]


def test_french_spaces_are_put_in_the_text_alone():
    cleaned = clean('<p>Payez : « oui » ! <a href="/aide/?a=b ;c">60 €</a></p>')

    assert cleaned == f'<p>Payez{NBSP}: «{NBSP}oui{NBSP}»{NBSP}! <a href="/aide/?a=b ;c">60{NBSP}€</a></p>'


@pytest.mark.parametrize(
    "html",
    [
        "<p>{{ville.inconnue}}</p>",
        "<p>{{ }}</p>",
        "<p>{{ville.nom</p>",
        '<p><a href="{{ville.site}}">site</a></p>',
        "<p>{{ville.<em>nom</em>}}</p>",
    ],
)
def test_a_fact_that_is_not_known_or_cannot_stand_there_is_refused(html):
    page = Page(1)

    with pytest.raises(facts.WrongFact):
        save(page, html)

    assert not page.versions


@pytest.mark.parametrize("where", ["title", "summary"])
def test_facts_stand_in_the_text_alone(where):
    with pytest.raises(facts.WrongFact):
        save(Page(1), **{where: "Ville de {{ville.nom}}"})


def test_a_folder_keeps_its_pages_in_order():
    folder = Folder(1)
    for oid, name in enumerate(("payer", "contact", "aide"), start=2):
        folder.add(name, Page(oid))
    folder.remove("contact")

    assert folder.order == ("payer", "aide")
    assert "contact" not in folder


def test_a_refused_name_changes_no_order():
    folder = Folder(1)
    folder.add("payer", Page(2))

    with pytest.raises(ValueError, match="taken"):
        folder.add("payer", Page(3))

    assert folder.order == ("payer",)


def test_what_the_town_file_says_is_shown_as_text(browser, registry, stored, monkeypatch):
    from dataclasses import replace

    evil = replace(registry.town, name="<script>alert(1)</script>")
    monkeypatch.setattr(registry, "town", evil)
    with stored() as portal:
        page = portal["securite"]
        save(page, "<p>{{ville.nom}}</p>")
        publish(page)

    assert "<script>alert" not in browser.get("/securite").text
