"""Processes that a fork server makes: it has imported what they need, and each is ready in a tenth of the time.

    process = forking.Process(target=commands.run, args=…)

A run has one such server, and what it imports is told before it starts: whoever tells it last is heard alone, so all of
it is told here.
"""

import multiprocessing

PRELOADED = ("tests.faults.commands", "tests.payments.dying", "tests.regies.exchange.dying")

forking = multiprocessing.get_context("forkserver")
forking.set_forkserver_preload(list(PRELOADED))
