"""The command ``sevres-print``."""

import argparse
import errno
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from pyramid.request import Request
from tqdm import tqdm

from sevres_familles.domain.french import local, plural, short_date, spaced
from sevres_familles.domain.money import Money
from sevres_familles.regies.printing.choosing import Asked
from sevres_familles.regies.printing.confirming import Confirmed, ConfirmedRun, UnknownRun, abandon, clean, confirm
from sevres_familles.regies.printing.folders import LIFE, PrintingRunning
from sevres_familles.regies.printing.resources import Counts, Printing
from sevres_familles.regies.printing.running import Printed, Refused, portal_for, print_lot
from sevres_familles.web.documents import TypesettingFailed
from sevres_familles.web.scripts import opened, parser

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
    chosen = _options().parse_args(arguments)
    with opened(chosen.ini) as request:
        request.registry._zodb_databases[""].setCacheSize(_CACHED_OBJECTS)
        try:
            lines, status = _do(request, chosen)
        except PrintingRunning:
            if chosen.clean:  # nightly: what is printed now is not to be deleted yet, and the next night comes
                sys.exit(0)
            sys.exit("Une autre commande d’impression est en cours : attendez sa fin, puis recommencez.")
        except UnknownRun as error:
            sys.exit(f"Aucune impression ne s’appelle {error}. « --list » les nomme.")
        except TypesettingFailed as error:
            sys.exit(f"Un document ne peut être composé, rien n’a été imprimé : {error}")
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            sys.exit("Le disque est plein : rien n’a été imprimé, et aucune lettre déjà partie n’a changé.")
    print(spaced("\n".join(lines)))
    sys.exit(status)


def _options() -> argparse.ArgumentParser:
    options = parser(main.__doc__)
    options.description = "Imprime les factures d’un lot, puis confirme qu’elles ont été imprimées."
    options.epilog = _WHAT
    options.add_argument("--regie", help="le nom de la régie, par exemple scolaire")
    options.add_argument("--lot", help="le lot de facturation, par exemple CANTINES")
    options.add_argument("--issued", type=_day, metavar="JJ/MM/AAAA", help="une autre date d’émission que la dernière")
    options.add_argument("--family", metavar="CODE", help="pour cette seule famille, même déjà imprimée")
    options.add_argument("--again", action="store_true", help="imprimer aussi ce qui l’a déjà été")
    options.add_argument("--duplex", action="store_true", help="recto verso : chaque lettre commence une feuille")
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


def _do(request: Request, chosen: argparse.Namespace) -> tuple[list[str], int]:
    """Do what was asked for, and give what to say, and the status."""
    if chosen.confirm:
        return _confirmed(chosen.confirm, confirm(request, chosen.confirm, _bar)), 0
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
        printed = print_lot(request, asked, duplex=chosen.duplex, progress=_bar)
    except Refused as refused:
        more = len(refused.faults) - _SHOWN_FAULTS
        lines = [*refused.faults[:_SHOWN_FAULTS], *([f"… et {more} de plus."] if more > 0 else [])]
        return [*lines, f"{plural(len(refused.faults), 'manque')} : rien n’a été imprimé."], 1
    return _report(asked, printed)


def _report(asked: Asked, printed: Printed) -> tuple[list[str], int]:
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


def _confirmed(name: str, done: Confirmed) -> list[str]:
    if done.was_done:
        return [f"L’impression {name} était déjà confirmée."]
    return [
        f"Impression {name} confirmée : {plural(done.letters, 'lettre')}, "
        f"{plural(done.passwords, 'mot de passe', 'mots de passe')} en service, "
        f"{plural(done.told, 'famille prévenue', 'familles prévenues')} par e-mail ; fichiers effacés."
    ]


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
