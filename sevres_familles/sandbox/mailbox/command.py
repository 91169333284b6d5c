"""``sevres-mailbox``: take every mail on this machine, and show them in a browser."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from sevres_familles.sandbox.mailbox.app import make_app
from sevres_familles.sandbox.mailbox.folder import Folder
from sevres_familles.sandbox.mailbox.intake import open_door
from sevres_familles.sandbox.ports import refuse_taken
from sevres_familles.sandbox.serving import LOOPBACK, serve_until_stopped, stop_on_signals


def main(arguments: Sequence[str] | None = None) -> int:
    """Keep the mailbox open until the process is told to stop."""
    options = _parser().parse_args(arguments)
    refuse_taken(options.port, options.smtp_port)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    stop_on_signals()
    folder = Folder(options.folder)
    door = open_door(folder, options.smtp_port)
    print(f"Boîte aux lettres : http://{LOOPBACK}:{options.port}/", flush=True)
    try:
        serve_until_stopped(make_app(folder), options.port)
    finally:
        door.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sevres-mailbox",
        description="Take every mail on this machine, deliver none, and show them in a browser.",
    )
    add = parser.add_argument
    add("--smtp-port", type=int, default=6546, help="where mails are taken (default: %(default)s)")
    add("--port", type=int, default=6545, help="where they are shown (default: %(default)s)")
    add("--folder", type=Path, required=True, help="where they are kept, one file each")
    return parser


if __name__ == "__main__":
    sys.exit(main())
