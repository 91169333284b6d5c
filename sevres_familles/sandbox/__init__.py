"""The outside world of the portal, for development and tests.

Two houses stand here, each an application and a process of its own: an invented bank
that speaks the language of SystemPay (:mod:`sevres_familles.sandbox.bank`) and a mailbox
that takes every mail and shows it in a browser (:mod:`sevres_familles.sandbox.mailbox`).

Nothing here imports the portal, and nothing of the portal imports this: a fault in the
signature code of either would otherwise be the same fault in both, and go unseen.
Both listen on the loopback only. How to use them is told in ``docs/sandbox.md``.
"""
