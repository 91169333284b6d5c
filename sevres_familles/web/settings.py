"""The settings: read once from the ini, checked whole, frozen.

Every setting is ``sevres.NAME`` in the ini.  Values may use ``{var}`` (the folder of all state), ``{port}`` and
``{bank_port}``, ``{mailbox_port}``, ``{smtp_port}`` (the three ports after it).  The environment variables ``VAR`` and
``PORT`` take the place of ``sevres.var`` and ``sevres.port``, for every command alike.  Secrets stand in files that the
ini names, never in it.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from pyramid.path import AssetResolver

from sevres_familles.web.safety import dangers_of

PREFIX = "sevres."
#: ``recette`` is production with a banner, in which the demonstration bank may stand for the town's.
ENVIRONMENTS = ("development", "recette", "production")
#: How mails travel to the relay: in the clear (a relay of this very machine), or under TLS from the start or on demand.
SMTP_SECURITIES = ("none", "starttls", "smtps")


class WrongSettings(Exception):
    """The ini misses settings, has unknown ones or wrong values: all of them are named, one a line."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(f"- {fault}" for fault in faults))


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _seconds(text: str) -> timedelta:
    return timedelta(seconds=float(text))


def _delays(text: str) -> tuple[timedelta, ...]:
    return tuple(_seconds(each) for each in text.split())


def _percentage(text: str) -> Decimal:
    try:
        share = Decimal(text.replace(",", "."))
        if 0 <= share <= 100:
            return share
    except InvalidOperation:
        pass
    raise ValueError("un pourcentage de 0 à 100 est attendu")


def _one_of(*words: str) -> Callable[[str], str]:
    def convert(text: str) -> str:
        if text not in words:
            raise ValueError(f"une de ces valeurs est attendue : {', '.join(words)}")
        return text

    return convert


def _yes_or_no(text: str) -> bool:
    return _one_of("true", "false")(text) == "true"


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each) for each in text.split())


def _storage(text: str) -> str:
    address = urlsplit(text)
    if address.password or "password" in parse_qs(address.query):
        raise ValueError("un mot de passe se met dans un fichier (passfile=…), jamais dans une adresse")
    return text


def _file(text: str) -> Path:
    """Give the path of a file named by a path or by an asset (``package:folder/file``)."""
    return Path(AssetResolver().resolve(text).abspath()) if ":" in text else Path(text)


def _setting(convert: Any = str, default: Any = MISSING) -> Any:
    return field(default=default, metadata={"convert": convert})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the ini says.  Durations are `timedelta`; files are `Path`."""

    environment: str = _setting(_one_of(*ENVIRONMENTS))
    #: In recette: the demonstration's town, families and accounts may be used.
    demo_data: bool = _setting(_yes_or_no, False)
    var: Path = _setting(Path)
    port: int = _setting(int, 6543)
    public_url: str = _setting()
    #: The Host headers that are answered (requirements S23).
    hosts: tuple[str, ...] = _setting(_words)
    #: Who may ask how the portal is (``/readyz``, ``/metrics``): addresses or networks.
    watch_sources: tuple[IPv4Network | IPv6Network, ...] = _setting(_networks, _networks("127.0.0.0/8 ::1"))
    storage: str = _setting(_storage)
    #: The key of the portal in the ZODB root, so that it can share a database.
    root_name: str = _setting(str, "sevres_familles")
    #: Town and régies, until the back office has them.
    town_file: Path = _setting(_file)
    secrets_folder: Path = _setting(Path)
    source_url: str = _setting()

    smtp_host: str = _setting()
    smtp_port: int = _setting(int)
    #: See `SMTP_SECURITIES`.  Certificates are always verified, by the system's authorities or those of a file.
    smtp_security: str = _setting(_one_of(*SMTP_SECURITIES), "none")
    smtp_authorities_file: Path | None = _setting(Path, None)
    smtp_user: str = _setting(str, "")
    smtp_password_file: Path | None = _setting(Path, None)
    #: How long the SMTP server has for each of its answers.
    smtp_timeout: timedelta = _setting(_seconds, _seconds("10"))
    mail_sender: str = _setting()
    #: How long to wait after each failed try of a mail, 50 minutes at most; every 50 minutes afterwards.
    mail_delays: tuple[timedelta, ...] = _setting(_delays, _delays("60 300 1800"))
    mail_pause: timedelta = _setting(_seconds, _seconds("5"))

    session_idle: timedelta = _setting(_seconds, _seconds("1200"))
    session_absolute: timedelta = _setting(_seconds, _seconds("43200"))
    session_warning: timedelta = _setting(_seconds, _seconds("180"))
    reset_life: timedelta = _setting(_seconds, _seconds("3600"))
    confirmation_life: timedelta = _setting(_seconds, timedelta(days=3))
    #: PDFs and pictures of documents that a family is given in a minute by one worker.
    documents_per_minute: int = _setting(int, 60)
    printed_password_life: timedelta = _setting(_seconds, timedelta(days=45))
    argon2_memory_kib: int = _setting(int, 19456)
    argon2_time: int = _setting(int, 2)

    bank_form_url: str = _setting()
    bank_rest_url: str = _setting()
    bank_site_id: str = _setting()
    bank_mode: str = _setting()
    bank_key_file: Path = _setting(Path)
    bank_rest_password_file: Path = _setting(Path)
    #: Addresses or networks that may notify us; the reverse proxy's trusted header gives the address in production.
    bank_sources: tuple[str, ...] = _setting(_words)
    bank_page_life: timedelta = _setting(_seconds, _seconds("600"))
    bank_margin: timedelta = _setting(_seconds, _seconds("120"))
    bank_timeout: timedelta = _setting(_seconds, _seconds("10"))
    #: When an open payment is asked about, counted from its leaving (payments.md §3); daily afterwards.
    ask_delays: tuple[timedelta, ...] = _setting(_delays, _delays("30 120 300 900 1800 7200"))
    ask_daily_for: timedelta = _setting(_seconds, timedelta(days=7))
    ask_pause: timedelta = _setting(_seconds, _seconds("5"))
    #: How long things are kept (requirements I14): accounting pieces, in whole exercices; attempts that took no money;
    #: families of which nothing but sums is left, since the last that happened about them.
    keep_pieces_years: int = _setting(int, 10)
    keep_attempts: timedelta = _setting(_seconds, timedelta(days=400))
    keep_idle_families: timedelta = _setting(_seconds, timedelta(days=730))

    pending_alert_after: timedelta = _setting(_seconds, _seconds("7200"))

    #: The last accessibility audit: its day (2026-11-23), and the share of criteria met, in percent (82,5).
    accessibility_audited_on: date | None = _setting(date.fromisoformat, None)
    accessibility_rate: Decimal | None = _setting(_percentage, None)

    @property
    def is_production(self) -> bool:
        """Whether this is the town's own portal, where nothing of the demonstration may run."""
        return self.environment == "production"

    @property
    def is_development(self) -> bool:
        """Whether this is a developer's portal, which makes up what it misses."""
        return self.environment == "development"

    @property
    def is_rehearsal(self) -> bool:
        """Whether this is a town's *recette*: every page says that nothing is paid for real."""
        return self.environment == "recette"

    @property
    def may_show_demonstration(self) -> bool:
        """Whether the demonstration's town, families and accounts may be used."""
        return self.is_development or (self.is_rehearsal and self.demo_data)

    @property
    def is_secure(self) -> bool:
        """Whether the portal is served over https, so that cookies can be `__Host-` and Secure."""
        return self.public_url.startswith("https://")

    def secret(self, name: str) -> bytes:
        """Read a secret of the folder of secrets, the one in use.

        :raises FileNotFoundError: when `make_secrets` was never run.
        """
        return self.secrets(name)[0]

    def secrets(self, name: str) -> tuple[bytes, ...]:
        """Read a secret of the folder of secrets: the one in use, then those before it that are still honoured.

        The file is read each time, so that every worker takes a new secret at the same moment (``sevres-rotate``).

        :raises FileNotFoundError: when `make_secrets` was never run.
        """
        return self.read_secrets(self.secrets_folder / name)

    @property
    def secret_files(self) -> tuple[Path, ...]:
        """Every file that holds a secret."""
        own = (self.secrets_folder / name for name in OWN_SECRETS)
        given = (self.bank_key_file, self.bank_rest_password_file, self.smtp_password_file)
        return (*own, *(path for path in given if path is not None))

    @classmethod
    def read_secret(cls, path: Path) -> bytes:
        """Read a secret from the first line of a file."""
        return cls.read_secrets(path)[0]

    @staticmethod
    def read_secrets(path: Path) -> tuple[bytes, ...]:
        """Read the secrets of a file, one a line: the one in use comes first.

        :raises WrongSettings: when there is none.
        """
        found = tuple(line.strip() for line in path.read_bytes().splitlines() if line.strip())
        if not found:
            raise WrongSettings(f"{path} : ce fichier d’un secret est vide")
        return found


#: Our own secrets: each is a file of the secrets folder, a line of 64 hexadecimal characters.
OWN_SECRETS = ("session.key", "tokens.key")


def make_secrets(settings: Settings) -> None:
    """Make the secrets that are missing, and the folder of state.  Both are readable by the service alone."""
    names = [settings.secrets_folder / name for name in OWN_SECRETS]
    if settings.is_development:
        # The demonstration bank and the portal agree on keys by reading the same files.
        names += [settings.bank_key_file, settings.bank_rest_password_file]
    settings.var.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in names:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32) + "\n")


def expansion(raw: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """Give what ``{…}`` stands for in values: the folder of state and the ports."""
    port = int(environ.get("PORT") or raw.get(PREFIX + "port", "6543"))
    return {
        "var": str(Path(environ.get("VAR") or raw.get(PREFIX + "var", "var")).absolute()),
        "port": str(port),
        "bank_port": str(port + 1),
        "mailbox_port": str(port + 2),
        "smtp_port": str(port + 3),
    }


def read_settings(raw: Mapping[str, Any], environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings of an ini.

    :raises WrongSettings: naming every missing, unknown and wrong one at once.
    """
    places = expansion(raw, environ)
    given = {name.removeprefix(PREFIX): value for name, value in raw.items() if name.startswith(PREFIX)}
    given |= {"var": places["var"], "port": places["port"]}
    faults = []
    values: dict[str, Any] = {}
    for each in fields(Settings):
        if each.name in given:
            try:
                values[each.name] = each.metadata["convert"](str(given.pop(each.name)).strip().format_map(places))
            except (ValueError, KeyError) as error:
                faults.append(f"{PREFIX}{each.name} : {error}")
        elif each.default is MISSING:
            faults.append(f"{PREFIX}{each.name} manque")
    faults += [f"{PREFIX}{name} n’est pas un réglage" for name in given]
    if faults:
        raise WrongSettings(*sorted(faults))
    settings = Settings(**values)
    dangers = dangers_of(settings, raw, environ)
    if dangers:
        raise WrongSettings(*dangers)
    return settings
