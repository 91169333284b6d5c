"""Small pieces of HTML that templates and widgets insert as they are: icons, states, steps of a way, facts."""

import html
import re
from collections.abc import Iterable, Sequence


class Markup(str):
    """Text that is HTML already, which Chameleon inserts unescaped."""

    __slots__ = ()

    def __html__(self) -> str:
        return str(self)


def _icon(path: str) -> Markup:
    return Markup(f'<svg class="i" viewBox="0 0 24 24" aria-hidden="true">{path}</svg>')


#: Icons of the look, by name.  They repeat what the words beside them say.
ICONS = {
    "card": _icon('<rect x="2.5" y="5" width="19" height="14" rx="2.5"/><path d="M2.5 10h19M6 15h4"/>'),
    "info": _icon('<circle cx="12" cy="12" r="9.5"/><path d="M12 11v6M12 7.2v.1"/>'),
    "warning": _icon('<path d="M12 3 22 20H2zM12 9.5v4.5M12 17v.1"/>'),
    "check": _icon('<path d="m4 12.5 5 5L20 6.5"/>'),
    "cross": _icon('<path d="M6 6l12 12M18 6 6 18"/>'),
    "eye": _icon('<path d="M2 12s3.5-7 10-7 10 7 10 7-3.5 7-10 7S2 12 2 12z"/><circle cx="12" cy="12" r="3"/>'),
    "lock": _icon('<rect x="5" y="11" width="14" height="10" rx="2"/><path d="M8 11V7a4 4 0 0 1 8 0v4"/>'),
    "phone": _icon(
        '<path d="M6 3h3l2 5-2.5 1.5a11 11 0 0 0 6 6L16 13l5 2v3a3 3 0 0 1-3 3A15 15 0 0 1 3 6a3 3 0 0 1 3-3z"/>'
    ),
    "document": _icon('<path d="M6 2.5h8l5 5v14H6zM14 2.5v5h5M9 13h7M9 17h7"/>'),
    "print": _icon('<path d="M7 8V3h10v5M7 17H4V9h16v8h-3M7 14h10v7H7z"/>'),
    "mail": _icon('<rect x="2.5" y="5" width="19" height="14" rx="2"/><path d="m3 6.5 9 7 9-7"/>'),
}

_SHAPES = {
    "due": '<circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" stroke-width="3"/>',
    "late": '<path d="M8 1 15.5 15H.5zM7 6v4h2V6zm0 5.3v1.7h2v-1.7z" fill-rule="evenodd"/>',
    "wait": '<path d="M3 1h10v2.5L9.5 8l3.5 4.5V15H3v-2.5L6.5 8 3 3.5z"/>',
    "part": '<path d="M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1zm0 2v10A5 5 0 0 0 8 3z" fill-rule="evenodd"/>',
    "paid": '<path d="m1.5 8.5 2.2-2.2L6.5 9l5.8-6 2.2 2.2-8 8.3z"/>',
    "gone": '<path d="M4 7V5a4 4 0 0 1 8 0v2h1.5v8h-11V7zm2 0h4V5a2 2 0 0 0-4 0z" fill-rule="evenodd"/>',
    "void": '<path d="M2 3.5 3.5 2 8 6.5 12.5 2 14 3.5 9.5 8l4.5 4.5-1.5 1.5L8 9.5 3.5 14 2 12.5 6.5 8z"/>',
}


def badge(kind: str, words: str) -> Markup:
    """Draw a state: word, shape and colour.  ``words`` are ours, never typed by someone: they are not escaped."""
    shape = f'<svg viewBox="0 0 16 16" aria-hidden="true">{_SHAPES[kind]}</svg>'
    return Markup(f'<span class="badge {kind}">{shape}{words}</span>')


def stepper(steps: Sequence[str], current: int) -> Markup:
    """Draw the steps of a way, the current one counted from 1; past the last, all are done.  The words are ours."""
    items = []
    for number, words in enumerate(steps, start=1):
        if number < current:
            said = f'<span><span class="vh">Étape faite : </span>{words}</span>'
            items.append(f'<li class="done"><b aria-hidden="true">{ICONS["check"]}</b>{said}</li>')
        else:
            here = ' aria-current="step"' if number == current else ""
            items.append(f'<li{here}><b aria-hidden="true">{number}</b><span>{words}</span></li>')
    return Markup(f'<ol class="stepper" aria-label="Étapes">{"".join(items)}</ol>')


_UNSAFE = re.compile("[&<>\"']").search


def escape(text: str) -> str:
    """Escape a text for HTML, quickly: most have nothing to escape."""
    return html.escape(text) if _UNSAFE(text) else text


_DOMAIN = re.compile(r"(?<=\S@)\S+")


def foldable(text: str) -> Markup:
    """Escape a text for HTML, whose e-mail addresses break after « @ » or before a dot that follows, nowhere else."""
    return Markup(_DOMAIN.sub(lambda domain: "<wbr>" + domain[0].replace(".", "<wbr>."), escape(text)))


def whole_words(text: str) -> Markup:
    """Escape a text for HTML, whose words never break at their hyphens: « halte-garderie »."""
    words = map(escape, text.split(" "))
    return Markup(" ".join(f'<span class="whole">{word}</span>' if "-" in word else word for word in words))


def facts(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Draw labels and values; an empty value is « Non renseigné ».  The labels are ours."""
    rows = []
    for label, value in pairs:
        shown = foldable(value) if value else '<span class="soft">Non renseigné</span>'
        rows.append(f"<dt>{label}</dt><dd>{shown}</dd>")
    return Markup(f'<dl class="facts">{"".join(rows)}</dl>')
