"""A worker that stops ends what came in; workers restarted one after the other lose no request."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.production.proxied import ProxiedTown, answers
from tests.sandbox.running import wait_until

_VISITORS = 6


@contextmanager
def visitors(town: ProxiedTown, address: str) -> Iterator["Counter[object]"]:
    """Keep asking, each over one connection as browsers do, and count what is answered."""
    seen: Counter[object] = Counter()
    is_over = threading.Event()

    def visit() -> None:
        with requests.Session() as session:
            session.trust_env, session.verify = False, str(town.authority)
            while not is_over.is_set():
                try:
                    answer = session.get(f"{address}connexion", timeout=60)
                    form = {"code": "999999", "mdp": "x", "csrf_token": "no"}
                    posted = session.post(f"{address}connexion", form, timeout=60)
                    seen[answer.status_code, posted.status_code] += 1
                except requests.RequestException as error:
                    seen[type(error).__name__] += 1

    threads = [threading.Thread(target=visit) for _ in range(_VISITORS)]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: sum(seen.values()) > _VISITORS, "visitors are served")
        yield seen
    finally:
        is_over.set()
        for thread in threads:
            thread.join(60)


def test_workers_restarted_one_after_the_other_lose_nothing(proxied: ProxiedTown):
    with visitors(proxied, proxied.url) as seen:
        for worker in proxied.workers.values():
            assert worker.restart() == 0
            wait_until(lambda port=worker.port: answers(port), "the worker is back")
            before = sum(seen.values())
            wait_until(lambda before=before: sum(seen.values()) > before + _VISITORS, "visitors go on")

    # The forms have no token: each is refused, by a worker that read it.
    assert set(seen) == {(200, 400)}, seen


def test_a_worker_alone_leaves_what_arrives_meanwhile_to_the_next(proxied: ProxiedTown):
    """Without the proxy: its socket is held, so connections wait in it."""
    worker = proxied.workers[proxied.ports.workers[1]]
    came: list[int] = []

    def visit() -> None:
        answer = requests.get(f"http://127.0.0.1:{worker.port}/healthz", timeout=60)
        came.append(answer.status_code)

    worker.process.terminate()
    assert worker.process.wait(60) == 0
    late = threading.Thread(target=visit)
    late.start()
    worker.process = worker.started()
    late.join(60)

    assert came == [200]


def test_without_any_worker_the_proxy_says_so(proxied: ProxiedTown):
    with requests.Session() as session:
        session.trust_env, session.verify = False, str(proxied.authority)
        for worker in proxied.workers.values():
            worker.process.terminate()
            worker.process.wait(60)
            worker.socket.close()
        try:
            answer = session.get(proxied.url)
        finally:
            for worker in proxied.workers.values():
                worker.open()
            wait_until(lambda: all(map(answers, proxied.ports.workers)), "both workers are back")
        # For two seconds and a part of one, nginx does not ask a worker that it did not find (fail_timeout).
        wait_until(lambda: session.get(proxied.url).status_code == 200, "the proxy asks the workers again")

    assert answer.status_code == 503
    assert "Ne payez pas une seconde fois" in answer.text
    assert answer.headers["Retry-After"] == "30"
    assert "style-src 'sha256-" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Strict-Transport-Security"]
