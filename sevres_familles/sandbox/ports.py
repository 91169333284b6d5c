"""See that ports of this machine are free, before anything else is done.

    python -m sevres_familles.sandbox.ports 6543 6544

A server that finds its port taken when all is ready ends in a trace, and leaves behind what it had begun.
"""

import errno
import socket
import sys

from sevres_familles.sandbox.serving import LOOPBACK


def refuse_taken(*ports: int) -> None:
    """End with a sentence when something listens on a port already.

    :raises SystemExit: naming the first one.
    """
    for port in ports:
        with socket.socket() as tried:
            # As servers bind: a connection that has just ended there is no hindrance.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind((LOOPBACK, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                sys.exit(f"Le port {port} est déjà pris : arrêtez le programme qui l’occupe, ou donnez un autre port.")


if __name__ == "__main__":
    refuse_taken(*map(int, sys.argv[1:]))
