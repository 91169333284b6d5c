"""The command ``sevres-import``."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from sevres_familles.domain.french import plural
from sevres_familles.domain.money import Money
from sevres_familles.regies.exchange.comparing import Tally
from sevres_familles.regies.exchange.running import Outcome, run
from sevres_familles.regies.exchange.staging import FaultsMeanwhile
from sevres_familles.regies.exchange.workspace import ImportRunning
from sevres_familles.web.scripts import opened, parser

#: Objects kept by the connection: a batch is written once and not looked at again.
_CACHED_OBJECTS = 2_000


def main(arguments: Sequence[str] | None = None) -> None:
    """Take exchange files of the billing software in, all or nothing (``sevres-import INI FILE…``)."""
    options = parser(main.__doc__)
    options.add_argument("file", nargs="+", type=Path, help="les fichiers d’échange (docs/exchange.md)")
    options.add_argument("--dry-run", action="store_true", help="dire ce qui changerait, sans rien écrire")
    chosen = options.parse_args(arguments)
    with opened(chosen.ini) as request:
        request.registry._zodb_databases[""].setCacheSize(_CACHED_OBJECTS)
        try:
            outcome = run(request.registry, chosen.file, at=request.now, dry_run=chosen.dry_run, progress=_bar)
        except ImportRunning:
            sys.exit("Un autre import est en cours : attendez sa fin, puis recommencez.")
        except FaultsMeanwhile as meanwhile:
            sys.exit(f"La base a changé pendant l’import, rien n’est visible. Recommencez.\n{meanwhile}")
    print("\n".join(report(outcome, dry_run=chosen.dry_run)))
    sys.exit(1 if outcome.faults else 0)


@contextmanager
def _bar(name: str, length: int) -> Iterator[Callable[[int], Any]]:
    """Show a progress bar, on a terminal only."""
    with tqdm(desc=name, total=length, unit_scale=True, disable=None) as bar:
        yield bar.update


def report(outcome: Outcome, *, dry_run: bool) -> list[str]:
    """Write what an import did, its last line being the verdict."""
    lines = [
        f"{each.described.name} : {each.kind.name if each.kind else 'inconnu'}, {plural(each.rows, 'ligne')}, "
        f"{each.described.encoding_name}"
        for each in outcome.files
    ]
    if outcome.cleaned:
        lines.append(
            f"Un import interrompu a été effacé ({plural(outcome.cleaned, 'famille')}) ; rien n’en était visible."
        )
    if outcome.faults:
        lines.append(outcome.faults.report())
        return [*lines, f"{plural(outcome.faults.count, 'faute')} : rien n’a été importé."]
    lines += _differences(outcome)
    return [*lines, _verdict(outcome, dry_run=dry_run)]


def _differences(outcome: Outcome) -> Iterator[str]:
    comparison = outcome.comparison
    yield f"Familles : {_counts(comparison.families)}"
    for regie in sorted(comparison.invoices):
        tally = comparison.invoices[regie]
        yield (
            f"Régie {regie}, factures : {_counts(tally)} ; émis {Money(tally.new_cents)}, "
            f"écart des restes à payer {Money(tally.changed_cents)}, restes inchangés {Money(tally.same_cents)}"
        )
        if tally.past:
            left = f" ; le fichier y laisse {Money(tally.past_cents)} à payer" if tally.past_cents else ""
            yield (
                f"Régie {regie}, {plural(tally.past, 'facture laissée', 'factures laissées')} de côté, émises avant le "
                f"{comparison.kept_since:%d/%m/%Y} : leur durée de conservation est passée{left}"
            )
    for regie, absent in outcome.absent.items():
        if absent.number:
            first = ", ".join(absent.first) + ("…" if absent.number > len(absent.first) else "")
            yield f"Régie {regie}, {plural(absent.number, 'facture absente', 'factures absentes')} du fichier : {first}"
    for regie in sorted(comparison.balances):
        tally = comparison.balances[regie]
        cents = tally.new_cents + tally.changed_cents + tally.same_cents
        yield f"Régie {regie}, soldes : {_counts(tally, feminine=False)} ; somme {Money(cents)}"


def _counts(tally: Tally, *, feminine: bool = True) -> str:
    e = "e" if feminine else ""
    new = plural(tally.new, "nouvelle", "nouvelles") if feminine else plural(tally.new, "nouveau", "nouveaux")
    return f"{new}, {plural(tally.changed, f'changé{e}')}, {plural(tally.same, f'inchangé{e}')}"


def _verdict(outcome: Outcome, *, dry_run: bool) -> str:
    families = plural(outcome.planned, "famille")
    if not outcome.planned:
        return "Rien ne change."
    if dry_run:
        return f"Essai : {families} {'changerait' if outcome.planned == 1 else 'changeraient'} ; rien n’a été écrit."
    return f"Lot {outcome.lot} publié : {families}."
