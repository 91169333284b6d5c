"""A town as production runs it: nginx over TLS, two workers on sockets that outlive them, asking and mail workers.

    with running_proxied_town(folder) as town:
        ...town.url is https, town.authority vouches for it, town.worker_ports answer without the proxy...

nginx.conf is the one that we give to towns, its names and places replaced.
"""

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.journeys.town import (
    BIN,
    REHEARSAL,
    ROOT,
    TIMERS,
    Town,
    _environ,
    _registry,
    write_bank_secrets,
    write_ini,
)
from tests.machine import program
from tests.ports import free_ports
from tests.sandbox.running import ask, running_bank, running_mailbox, wait_until

CONF = ROOT / "deploy" / "nginx" / "espace-familles.conf"
#: What a town fills in, and what a test puts elsewhere.
_PLACES = """
    sevres.public_url = https://localhost:{https}
    sevres.hosts = localhost
    sevres.secrets_folder = {{var}}/secrets
    sevres.town_file = sevres_familles:demo/ville.toml
    sevres.smtp_host = 127.0.0.1
    sevres.smtp_port = {{smtp_port}}
    sevres.mail_sender = Espace familles <ne-pas-repondre@ville-sevres.example>
    sevres.bank_form_url = http://127.0.0.1:{bank}/banque/vads-payment/
    sevres.bank_rest_url = http://127.0.0.1:{bank}/banque/api-payment/V4/
    sevres.bank_site_id = 12345678
    sevres.bank_mode = TEST
    sevres.bank_key_file = {{var}}/secrets/bank.key
    sevres.bank_rest_password_file = {{var}}/secrets/bank-rest.password
    sevres.bank_sources = 127.0.0.1
"""


@dataclass(frozen=True)
class Ports:
    """Where everything of a town listens: ``first`` and the three after it are as everywhere."""

    first: int
    http: int
    https: int
    workers: tuple[int, int]


@dataclass(frozen=True)
class ProxiedTown(Town):
    """A running town behind its proxy."""

    ports: Ports = Ports(0, 0, 0, (0, 0))
    authority: Path = Path()
    workers: "dict[int, Worker]" = None  # type: ignore[assignment]

    @property
    def url(self) -> str:
        """The portal as families know it, with a slash at the end."""
        return f"https://localhost:{self.ports.https}/"

    @property
    def logs(self) -> str:
        """All that the town's processes and nginx wrote."""
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def context(self) -> ssl.SSLContext:
        """Trust the authority of the town's certificate, and no other."""
        return ssl.create_default_context(cafile=str(self.authority))


class Worker:
    """A worker of the portal, on a socket that outlives it."""

    def __init__(self, port: int, ini: Path, folder: Path, environ: Mapping[str, str]) -> None:
        self.port = port
        self._ini, self._log, self._environ = ini, folder / f"portal-{port}.log", dict(environ)
        self.open()

    def open(self) -> None:
        """Open the socket, and start on it."""
        self.socket = socket.create_server(("127.0.0.1", self.port), backlog=1024)
        self.process = self.started()

    def started(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.production.activated", str(self.socket.fileno())]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*command, str(BIN / "pserve"), str(self._ini)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environ,
                pass_fds=[self.socket.fileno()],
                cwd=ROOT,
            )

    def restart(self) -> int:
        """Stop as systemd does, start again, and give the status of the one that stopped."""
        self.process.terminate()
        status = self.process.wait(60)
        self.process = self.started()
        return status

    def stop(self) -> None:
        """Stop for good."""
        self.process.terminate()
        self.process.wait(60)
        self.socket.close()


@contextmanager
def running_proxied_town(folder: Path) -> Iterator[ProxiedTown]:
    """Run a town behind nginx until the block ends."""
    program("nginx", "nginx-light")
    first = free_ports(4)
    ports = Ports(first, free_ports(), free_ports(), (first, free_ports()))
    authority = _write_certificate(folder)
    ini = _write_settings(folder, ports)
    environ = {**_environ(first, folder), "SSL_CERT_FILE": str(authority)}
    subprocess.run([str(BIN / "sevres-init"), str(ini)], check=True, env=environ, stdout=subprocess.DEVNULL)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SSL_CERT_FILE", str(authority))  # the bank notifies over https
        mailbox = stack.enter_context(running_mailbox(folder / "mailbox", port=first + 2, smtp_port=first + 3))
        bank = stack.enter_context(running_bank(folder / "bank", port=first + 1, smtp=mailbox.smtp))
        workers = {}
        for port in ports.workers:
            workers[port] = Worker(port, ini, folder, {**environ, "PORT": str(port)})
            stack.callback(workers[port].stop)
        processes = {
            "nginx": _started(folder, "nginx", ["nginx", "-c", str(_write_proxy(folder, ports))], environ),
            "asking": _started(folder, "asking", [str(BIN / "sevres-ask"), str(ini)], environ),
            "mail": _started(folder, "mail", [str(BIN / "sevres-mail"), str(ini)], environ),
        }
        for process in processes.values():
            stack.callback(_end, process)
        registry = stack.enter_context(_registry(ini, environ))
        town = ProxiedTown(
            first, folder, ini, bank, mailbox, processes, registry, ports=ports, authority=authority, workers=workers
        )
        wait_until(lambda: all(answers(port) for port in ports.workers), "both workers answer")
        yield town


def answers(port: int) -> bool:
    """Tell whether a worker answers."""
    try:
        return ask(f"http://127.0.0.1:{port}/healthz").status == 200
    except OSError:
        return False


def _write_certificate(folder: Path) -> Path:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(str(folder / "privkey.pem"))
    for part in certificate.cert_chain_pems:
        part.write_to_path(str(folder / "fullchain.pem"), append=True)
    return folder / "authority.pem"


def _write_settings(folder: Path, ports: Ports) -> Path:
    write_bank_secrets(folder / "var")
    lines = _PLACES.format(https=ports.https, bank=ports.first + 1).split("\n")
    places = dict(line.strip().removeprefix("sevres.").split(" = ") for line in lines if line.strip())
    return write_ini(folder, {**REHEARSAL, **TIMERS, **places}, ROOT / "production.ini")


def _write_proxy(folder: Path, ports: Ports) -> Path:
    """Write nginx's configuration: ours, elsewhere."""
    first, second = ports.workers
    text = CONF.read_text(encoding="utf-8")
    for before, after in (
        ("server 127.0.0.1:6543", f"server 127.0.0.1:{first}"),
        ("server 127.0.0.1:6544", f"server 127.0.0.1:{second}"),
        ("Host $server_name", f"Host localhost:{ports.https}"),
        ("https://FAMILLES.VILLE.EXAMPLE$request_uri", f"https://localhost:{ports.https}$request_uri"),
        ("/etc/letsencrypt/live/FAMILLES.VILLE.EXAMPLE/", f"{folder}/"),
        ("FAMILLES.VILLE.EXAMPLE", "localhost"),
        ("/var/log/nginx/espace-familles", f"{folder}/nginx-espace-familles"),
        ("/var/lib/nginx/espace-familles", f"{folder}/cache"),
        ("root /var/www/html", f"root {folder}/html"),
        ("root /usr/share/espace-familles", f"root {CONF.parent}"),
        ("listen 80", f"listen 127.0.0.1:{ports.http}"),
        ("listen 443", f"listen 127.0.0.1:{ports.https}"),
    ):
        assert before in text, before
        text = text.replace(before, after)
    text = "\n".join(line for line in text.split("\n") if "listen [::]" not in line)
    conf = folder / "nginx.conf"
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    conf.write_text(
        f"daemon off;\nuser {_me()};\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log;\n"
        f"events {{}}\nhttp {{\ninclude /etc/nginx/mime.types;\n{temporary}{text}\n}}\n",
        encoding="utf-8",
    )
    return conf


def _me() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _started(folder: Path, name: str, command: list[str], environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    with (folder / f"{name}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=dict(environ))


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(30)
