"""The command ``sevres-print``."""

import argparse
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from pyramid.request import Request
from tqdm import tqdm

from sevres_familles.domain.french import local, plural, short_date, spaced
from sevres_familles.domain.money import Money
from sevres_familles.regies.printing.choosing import Asked, Chosen
from sevres_familles.regies.printing.confirming import ConfirmedRun, UnknownRun, abandon, clean, confirm
from sevres_familles.regies.printing.folders import LIFE, PrintingRunning
from sevres_familles.regies.printing.resources import Counts, Printing
from sevres_familles.regies.printing.running import Printed, Refused, portal_for, print_lot
from sevres_familles.web.documents import TypesettingFailed
from sevres_familles.web.scripts import opened, parser, told_when_full

#: Objects kept by the connection: a run looks at each family twice, one after the other.
_CACHED_OBJECTS = 2_000
_SHOWN_FAULTS = 20
_WHAT = """
Factures imprimées : celles du lot demandé, à sa dernière date d’émission, que nulle impression confirmée ne contient,
qui ne sont ni annulées ni transmises au Trésor. Les familles qui ont choisi les factures électroniques n’ont pas de
papier : un e-mail les prévient à la confirmation. Une famille sans mot de passe choisi par elle trouve sur sa lettre un
mot de passe provisoire, qui n’ouvre rien avant la confirmation.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the invoices of a lot, then confirm that they were printed (``sevres-print INI --regie … --lot …``)."""
    chosen = options().parse_args(arguments)
    with opened(chosen.ini) as request:
        request.registry._zodb_databases[""].setCacheSize(_CACHED_OBJECTS)
        try:
            lines, status = answer(request, chosen)
        except PrintingRunning:
            if chosen.clean:  # nightly: what is printed now is not to be deleted yet, and the next night comes
                sys.exit(0)
            sys.exit("Une autre commande d’impression est en cours : attendez sa fin, puis recommencez.")
        except UnknownRun as error:
            sys.exit(f"Aucune impression ne s’appelle {error}. « --list » les nomme.")
        except TypesettingFailed as error:
            sys.exit(f"Un document ne peut être composé, rien n’a été imprimé : {error}")
    print(spaced("\n".join(lines)))
    sys.exit(status)


def options() -> argparse.ArgumentParser:
    """Make the parser of the command."""
    options = parser(main.__doc__)
    options.description = "Imprime les factures d’un lot, puis confirme qu’elles ont été imprimées."
    options.epilog = _WHAT
    options.add_argument("--regie", help="le nom de la régie, par exemple scolaire")
    options.add_argument("--lot", help="le lot de facturation, par exemple CANTINES")
    options.add_argument("--issued", type=_day, metavar="JJ/MM/AAAA", help="une autre date d’émission que la dernière")
    options.add_argument("--family", metavar="CODE", help="pour cette seule famille, même déjà imprimée")
    options.add_argument("--again", action="store_true", help="imprimer aussi ce qui l’a déjà été")
    options.add_argument("--duplex", action="store_true", help="recto verso : chaque lettre commence une feuille")
    options.add_argument(
        "--without-faulty", action="store_true", help="laisser de côté les factures où manque une mention obligatoire"
    )
    others = options.add_mutually_exclusive_group()
    others.add_argument(
        "--confirm", metavar="IMPRESSION", help="les lettres sont imprimées : leurs mots de passe valent"
    )
    others.add_argument("--abandon", metavar="IMPRESSION", help="les lettres ne partiront pas : rien ne change")
    others.add_argument("--list", action="store_true", help="nommer les impressions")
    others.add_argument("--clean", action="store_true", help="effacer les fichiers de plus de 7 jours")
    return options


def _day(text: str) -> date:
    try:
        return datetime.strptime(text, "%d/%m/%Y").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise argparse.ArgumentTypeError("écrivez un jour comme 03/11/2026") from None


def answer(request: Request, chosen: argparse.Namespace) -> tuple[list[str], int]:
    """Do what was asked for, and give what to say, and the status."""
    if chosen.confirm:
        return _confirm(request, chosen.ini, chosen.confirm), 0
    if chosen.abandon:
        return _abandon(request, chosen.abandon)
    if chosen.list:
        return _listed(request), 0
    if chosen.clean:
        return _cleaned(*clean(request)), 0
    return _print(request, chosen)


@contextmanager
def _bar(name: str, length: int) -> Iterator[Callable[[int], Any]]:
    """Show a progress bar, on a terminal only."""
    with tqdm(desc=name, total=length, unit_scale=True, disable=None) as bar:
        yield bar.update


def _print(request: Request, chosen: argparse.Namespace) -> tuple[list[str], int]:
    names = [each.name for each in request.town.regies]
    if not chosen.regie or not chosen.lot:
        return ["Dites quoi imprimer : --regie NOM --lot LOT.", f"Régies : {', '.join(names)}."], 2
    if chosen.regie not in names:
        return [f"Aucune régie ne s’appelle {chosen.regie}. Régies : {', '.join(names)}."], 1
    again = chosen.again or chosen.family is not None
    asked = Asked(chosen.regie, chosen.lot, chosen.issued, again=again, family=chosen.family)
    try:
        printed = print_lot(request, asked, duplex=chosen.duplex, without_faulty=chosen.without_faulty, progress=_bar)
    except Refused as refused:
        return [
            *_shown(refused.faults),
            f"{plural(len(refused.faults), 'manque')} : rien n’a été imprimé. Corrigez-les ; s’ils ne touchent que "
            "quelques factures, --without-faulty imprime les autres.",
        ], 1
    return _report(chosen.ini, asked, printed)


def _shown(faults: Sequence[str]) -> list[str]:
    more = len(faults) - _SHOWN_FAULTS
    return [*faults[:_SHOWN_FAULTS], *([f"… et {more} de plus."] if more > 0 else [])]


def _command(ini: str, asked: Asked, issued_on: date) -> str:
    """Write the command that prints a lot of a day."""
    day = ("--issued", f"{issued_on:%d/%m/%Y}")
    family = ("--family", asked.family) if asked.family is not None else ()
    return shlex.join(["sevres-print", ini, "--regie", asked.regie, "--lot", asked.lot, *day, *family])


def _unprinted(ini: str, asked: Asked, chosen: Chosen) -> list[str]:
    """Tell of the other days of a lot on which invoices wait that nobody printed."""
    return [
        f"Attention : {plural(number, 'facture')} du même lot, du {short_date(day)}, encore à payer, dans aucune "
        f"impression confirmée. Pour imprimer ce jour-là : {_command(ini, asked, day)}"
        for day, number in chosen.unprinted.items()
    ]


def _report(ini: str, asked: Asked, printed: Printed) -> tuple[list[str], int]:
    chosen, counts = printed.chosen, printed.counts
    left_out = [
        f"{plural(number, singular, several)}"
        for number, singular, several in (
            (chosen.printed, "déjà imprimée", "déjà imprimées"),
            (chosen.over, "annulée ou transmise au Trésor", "annulées ou transmises au Trésor"),
        )
        if number
    ]
    rest = [f"Laissées de côté : {', '.join(left_out)}."] if left_out else []
    if printed.faults:
        rest += [
            *_shown(printed.faults),
            f"{plural(len(printed.faults), 'manque')} : ces factures n’ont pas été imprimées. Corrigez-les dans le "
            "logiciel de facturation, importez, puis donnez la même commande.",
        ]
    rest += _unprinted(ini, asked, chosen)
    if not printed.name:
        if asked.lot not in chosen.lots:
            known = ", ".join(sorted(chosen.lots)) or "aucun"
            return [f"Aucune facture du lot {asked.lot} dans la régie {asked.regie}. Lots : {known}."], 1
        return [*rest, "Rien à imprimer."], 0
    lines = [
        *rest,
        *(
            f"Attention : {plural(number, 'facture attend', 'factures attendent')} aussi la confirmation de "
            f"l’impression {run}. N’envoyez qu’une des deux : confirmez-la, et abandonnez l’autre."
            for run, number in chosen.waiting.items()
        ),
    ]
    if printed.late:
        lines.append(f"Attention : la date limite de {plural(printed.late, 'facture')} est passée.")
    issued = short_date(chosen.issued_on) if chosen.issued_on else ""
    return [
        *lines,
        f"Impression {printed.name} : lot {asked.lot}, émis le {issued}.",
        f"Lettres : {plural(counts.invoices, 'facture')}, {plural(counts.pages, 'page')}, "
        f"{Money(counts.cents)} à payer, "
        f"{plural(counts.passwords, 'mot de passe provisoire', 'mots de passe provisoires')}.",
        f"Sans papier : {plural(counts.electronic, 'facture')}.",
        f"Fichiers, effacés dans {LIFE.days} jours : {printed.folder}",
        f"Une fois les lettres imprimées : sevres-print … --confirm {printed.name} ; sinon : --abandon {printed.name}.",
    ], 0


def _confirm(request: Request, ini: str, name: str) -> list[str]:
    with told_when_full(
        "des lettres sont peut-être déjà en service, jamais à moitié pour une famille. "
        f"Libérez de la place, puis donnez à nouveau --confirm {name} : la confirmation reprend où elle s’est arrêtée."
    ):
        asked, done, was_done = confirm(request, name, _bar)
    if was_done:
        lines = [f"L’impression {name} était déjà confirmée."]
    else:
        lines = [
            f"Impression {name} confirmée : {plural(done.letters, 'lettre')}, "
            f"{plural(done.passwords, 'mot de passe', 'mots de passe')} en service, "
            f"{plural(done.told, 'famille prévenue', 'familles prévenues')} par e-mail ; fichiers effacés."
        ]
    if done.kept:
        lines.append(
            f"{plural(done.kept, 'famille garde', 'familles gardent')} le mot de passe d’une lettre plus récente : "
            "celui de cette impression n’ouvre rien."
        )
    if done.left and asked.issued_on:
        lines.append(
            f"Attention : {plural(done.left, 'facture n’a', 'factures n’ont')} atteint personne, leurs familles ont "
            f"voulu à nouveau du papier. Imprimez-les : {_command(ini, asked, asked.issued_on)}"
        )
    return lines


def _abandon(request: Request, name: str) -> tuple[list[str], int]:
    try:
        abandon(request, name)
    except ConfirmedRun:
        return [
            f"L’impression {name} est confirmée, au moins en partie : des lettres sont en service. "
            f"Terminez par --confirm {name}."
        ], 1
    return [f"Impression {name} abandonnée : les lettres parties avant restent bonnes, les siennes n’ouvrent rien."], 0


def _listed(request: Request) -> list[str]:
    with portal_for(request) as (manager, portal), manager:
        printing: Printing = portal.stores["printing"]
        lines = []
        for name, run in printing.runs.items():
            counts = Counts(*run.counts)
            state = "à confirmer"
            if run.confirmed_at is not None:
                state = f"confirmée le {short_date(local(run.confirmed_at).date())}"
            elif run.is_begun:
                state = "confirmation à terminer"
            what = f"{run.regie}, {run.lot} du {short_date(run.issued_on)}, {plural(counts.invoices, 'lettre')}"
            lines.append(f"{name} : {what}, {state}")
    return lines or ["Aucune impression."]


def _cleaned(gone: Sequence[str], old: Sequence[str]) -> list[str]:
    lines = [f"Fichiers effacés : {', '.join(gone)}."] if gone else ["Aucun fichier à effacer."]
    if old:
        lines.append(f"Impressions jamais confirmées, oubliées : {', '.join(old)}.")
    return lines
