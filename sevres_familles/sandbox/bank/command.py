"""``sevres-bank``: open the invented bank on this machine."""

import argparse
import logging
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from sevres_familles.sandbox.bank.app import make_app
from sevres_familles.sandbox.bank.backoffice import BackOffice
from sevres_familles.sandbox.bank.clock import Clock
from sevres_familles.sandbox.bank.counter import A_MOMENT, TEN_MINUTES, TWO_MINUTES, Counter
from sevres_familles.sandbox.bank.notifications import QUARTERS_OF_AN_HOUR, Courier
from sevres_familles.sandbox.bank.receipts import PostOffice
from sevres_familles.sandbox.bank.shop import Merchant, Shop
from sevres_familles.sandbox.bank.store import Store
from sevres_familles.sandbox.ports import refuse_taken
from sevres_familles.sandbox.serving import LOOPBACK, serve_until_stopped, stop_on_signals

#: How long to wait for the key files, which the portal's first start makes, in seconds.
LONGEST_WAIT = 60.0

#: How often to look for them meanwhile, in seconds.
_LOOK_EVERY = 0.2

#: How often to look whether a day is over, in seconds.
_CLOSE_EVERY = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the bank until the process is told to stop, and return its exit status."""
    options = _parser().parse_args(arguments)
    refuse_taken(options.port)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stop_on_signals()
    try:
        back_office = open_back_office(options)
    except TimeoutError as error:
        print(f"sevres-bank: {error}", file=sys.stderr)
        return 1
    courier = back_office.counter.courier
    courier.start()
    threading.Thread(target=keep_days, args=(back_office,), name="days", daemon=True).start()
    print(f"Banque de démonstration : http://{LOOPBACK}:{options.port}/banque", flush=True)
    try:
        serve_until_stopped(make_app(back_office), options.port)
    finally:
        courier.stop()
    return 0


def keep_days(back_office: BackOffice) -> None:
    """Close each day once it is over, for as long as the bank is open."""
    while True:
        back_office.close_past_days()
        time.sleep(_CLOSE_EVERY)


def open_back_office(options: argparse.Namespace) -> BackOffice:
    """Put the bank together from what the command line says.

    :raises TimeoutError: when a key file does not come.
    """
    shop = Shop(
        site_id=options.site_id,
        mode=options.mode,
        key=read_secret(options.key_file),
        rest_password=read_secret(options.rest_password_file),
        merchant=Merchant(options.merchant_name, options.merchant_address, options.merchant_phone),
    )
    store = Store.open(options.folder / "bank.sqlite")
    clock = Clock(store)
    courier = Courier(store, shop, options.ipn_delays, clock)
    host, port = options.smtp
    counter = Counter(
        shop, store, courier, PostOffice(host, port), options.page_life, options.late, options.after_return, clock
    )
    return BackOffice(counter, clock, options.folder / "journaux")


def read_secret(path: Path, seconds: float = LONGEST_WAIT) -> str:
    """Return what a file holds, without the white space around it; wait until it exists.

    :raises TimeoutError: when it is not there, or empty, after that time.
    """
    give_up_at = time.monotonic() + seconds
    while time.monotonic() < give_up_at:
        if path.exists() and (secret := path.read_text().strip()):
            return secret
        time.sleep(_LOOK_EVERY)
    raise TimeoutError(f"no key in {path} after {seconds:.0f} seconds")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sevres-bank",
        description="Open an invented bank on this machine, for development and tests.",
    )
    add = parser.add_argument
    add("--port", type=int, default=6544, help="where to listen (default: %(default)s)")
    add("--folder", type=Path, required=True, help="where the bank keeps its memory")
    add("--site-id", default="12345678", help="the shop's number (default: %(default)s)")
    add("--key-file", type=Path, required=True, help="the file with the key of signatures")
    add("--rest-password-file", type=Path, required=True, help="the file with that password")
    add("--mode", type=_mode, default="TEST", help="TEST, the only one there is")
    add(
        "--smtp",
        type=_host_and_port,
        default=(LOOPBACK, 6546),
        metavar="HOST:PORT",
        help="where the bank's receipts are sent (default: 127.0.0.1:6546)",
    )
    add(
        "--page-life",
        type=float,
        default=TEN_MINUTES,
        metavar="SECONDS",
        help="how long a payment page lives (default: %(default).0f)",
    )
    add(
        "--ipn-delays",
        type=_delays,
        default=QUARTERS_OF_AN_HOUR,
        metavar="SECONDS,…",
        help="how long after a failure the shop is told again (default: 900,900,900,900)",
    )
    add(
        "--late",
        type=float,
        default=TWO_MINUTES,
        metavar="SECONDS",
        help="how late a late notification is, how long a verification takes (default: %(default).0f)",
    )
    add(
        "--after-return",
        type=float,
        default=A_MOMENT,
        metavar="SECONDS",
        help="how long after the browser's return a notification leaves that comes after it (default: %(default).0f)",
    )
    add("--merchant-name", default="Commune de démonstration")
    add("--merchant-address", default="Mairie, 1 place de la Mairie, 99999 DÉMONSTRATION")
    add("--merchant-phone", default="01 99 00 00 00")
    return parser


def _mode(text: str) -> str:
    if text != "TEST":
        raise argparse.ArgumentTypeError("this bank is invented: it only knows TEST")
    return text


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise argparse.ArgumentTypeError("expected HOST:PORT")
    return host, int(port)


def _delays(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError("expected seconds, parted by commas") from error


if __name__ == "__main__":
    sys.exit(main())
