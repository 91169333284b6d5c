"""Documents on paper: tagged PDF/UA-1, typeset by Typst.

A document is a template of ``templates/documents``, whose function ``document`` takes its
data. The data reaches it as JSON, so that what a family or a billing file wrote is text to
show and never markup to run. Everything that decides the bytes is in the package or in the data: fonts
are those inside Typst, the date is the document's own. The same data therefore gives the
same bytes, on any machine and on any day, and a receipt can be typeset again for ever.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import unicodedata
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from importlib.resources import files
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from typst import Compiler, TypstError

log = logging.getLogger(__name__)


class Town(TypedDict):
    """The town that writes."""

    name: str
    #: Its address, a line each.
    address: list[str]
    #: The source of an SVG picture, decorative: the name stands beside it.
    emblem: NotRequired[str]


class Regie(TypedDict):
    """The régie that received the money."""

    name: str
    #: Where to ask a question, a line each.
    contact: list[str]


class ReceiptLine(TypedDict):
    """What a payment settled of one invoice, or what the régie keeps, which has neither reference nor number."""

    label: str
    reference: str
    number: str
    #: As it is read, « 60,00 € », with a no-break space.
    amount: str


class ReceiptData(TypedDict):
    """What ``receipt.typ`` shows. Words and amounts come as they are read."""

    town: Town
    regie: Regie
    number: str
    title: str
    #: The day of the document, ISO 8601: its metadata, not shown.
    issued_on: str
    #: « lundi 23 novembre 2026 à 15:39 ».
    paid_at: str
    #: Names, then address, a line each.
    payer: list[str]
    lines: list[ReceiptLine]
    total: str
    total_in_words: NotRequired[str]
    means: str
    family_code: NotRequired[str]
    payment_reference: NotRequired[str]
    bank_reference: NotRequired[str]
    notes: NotRequired[list[str]]


class TypesettingFailed(Exception):
    """A template and its data made no valid document."""


def typeset(template: str, data: Mapping[str, object]) -> bytes:
    """Typeset a template with its data to a tagged PDF/UA-1.

    ``template`` is a bare name, ``receipt``. ``data`` holds what JSON can, and at least
    ``issued_on``, an ISO date. May be called from any thread.

    :raises TypesettingFailed: when Typst refuses the template or the data, which includes
        everything that would not be valid PDF/UA-1.
    :raises KeyError: when the data has no ``issued_on``.
    :raises ValueError: when that is no date, or the name is no bare name.
    """
    issued_on = date.fromisoformat(str(data["issued_on"]))
    return _press.pull(
        _source(template, data),
        format="pdf",
        pdf_standards=["ua-1"],
        timestamp=datetime.combine(issued_on, time(), UTC),
    )[0]


def picture(template: str, data: Mapping[str, object], ppi: float = 120) -> bytes:
    """Draw the first sheet of a document as PNG, to be looked at: what it says is in the PDF.

    :raises TypesettingFailed: when Typst refuses the template or the data.
    :raises ValueError: when the name is no bare name.
    """
    return _press.pull(_source(template, data), format="png", ppi=ppi)[0]


def _source(template: str, data: Mapping[str, object]) -> bytes:
    """Write the few words that have Typst typeset a template with its data.

    The data stands in them, and not in ``sys.inputs``: another input makes Typst lay everything
    out anew, another source only what differs, which takes a third of the time. What JSON
    escapes in a text (its quotes and backslashes) is what Typst does.
    """
    if not template.isidentifier():
        raise ValueError(f"not the name of a template: {template!r}")
    text = json.dumps(_as_json(data), ensure_ascii=False)
    return f'#import "/{template}.typ": document\n#document(json(bytes({text})))'.encode()


class Press:
    """The one Typst compiler of a process, used by one thread at a time.

    A compiler keeps its fonts and what it learned from the last document: a reused one is
    many times quicker than a new one. It refuses to be used by two threads at once, and
    one a thread would hold the fonts as many times, hence the lock. It is made at the
    first document, so that a server that forks its workers forks no compiler.
    """

    def __init__(self, folder: Path) -> None:
        """Take templates from a folder, and nothing from outside it."""
        self.folder = folder
        self._compiler: Compiler | None = None
        self._lock = threading.Lock()

    def pull(self, source: bytes, **options: Any) -> list[bytes]:
        """Typeset a source, and give the files that come out: one PDF, or a picture a sheet.

        ``options`` are those of `Compiler.compile`.

        :raises TypesettingFailed: when Typst refuses it, or fails.
        """
        with self._lock:
            if self._compiler is None:
                self._compiler = Compiler(root=self.folder, ignore_system_fonts=True)
            try:
                made, warnings = self._compiler.compile_with_warnings(source, **options)
            except TypstError as error:
                raise TypesettingFailed(error.message) from error
            except BaseException as error:
                # A fault inside Typst comes as a PanicException, which is no Exception
                # and would end the thread that serves; what it left is not used again.
                self._compiler = None
                if isinstance(error, (KeyboardInterrupt, SystemExit)):
                    raise
                raise TypesettingFailed(str(error)) from error
        for warning in warnings:
            log.warning("A document: %s", warning.message)
        if made is None:
            raise TypesettingFailed("nothing came out")
        return made if isinstance(made, list) else [made]


#: What the fonts inside Typst can draw, and a test draws whole. PDF/UA-1 allows no
#: character without a glyph, and a name with an emoji must not cost a family its receipt.
_DRAWABLE = (
    "\u0020-\u007e\u00a0-\u00ac\u00ae-\u024f"  # Latin
    "\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03e1"  # Greek
    "\u0400-\u0482\u048a-\u04ff"  # Cyrillic
    "\u05d0-\u05ea\u0621-\u063a\u0641-\u064a\u0660-\u0669"  # Hebrew, Arabic
    "\u1e00-\u1eff"  # Latin with two accents, Vietnamese
    "\u2010-\u2027\u202f-\u2040\u2042\u2044-\u2052\u2054-\u205e"  # punctuation
    "\u20a0-\u20bf\u2116\u2122\u2190-\u21ff\u2200-\u22ff\ufffd"  # signs
)
_UNDRAWABLE = re.compile(f"[^{_DRAWABLE}]")


def _as_json(data: Mapping[str, object]) -> str:
    """Write data as a template reads it."""
    return json.dumps(_printable(data), ensure_ascii=False, allow_nan=False)


def _printable(value: object) -> object:
    """Return data whose texts the fonts can draw, in the same shape.

    Accents are put on their letters. Line breaks and tabs become spaces. Controls, marks
    that no letter takes, and the signs that turn the direction of a line (an amount could
    be made to read backwards) are dropped; anything else becomes U+FFFD, so that one sees
    that something is missing.
    """
    if isinstance(value, str):
        return _UNDRAWABLE.sub(_stand_in, unicodedata.normalize("NFC", value))
    if isinstance(value, Mapping):
        return {key: _printable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(item) for item in value]
    return value


def _stand_in(found: re.Match[str]) -> str:
    """Return what is shown instead of a character that cannot be."""
    if found[0].isspace():
        return " "
    if unicodedata.category(found[0])[0] in "CM":
        return ""
    return "\N{REPLACEMENT CHARACTER}"


_press = Press(Path(str(files("sevres_familles") / "templates" / "documents")).resolve())
