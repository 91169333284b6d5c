"""A mailbox for everyone: it takes every mail, delivers none, and shows them in a browser.

:mod:`.intake` is the SMTP door, :mod:`.folder` keeps each mail as an ``.eml`` file,
:mod:`.letters` reads one for people, :mod:`.views` shows it.
"""
