"""The demonstration: the town file, exchange files that show every state, and towns of any size.

`files` are the exchange files of a few families, the DUPOND family of the 2009 guide first; their days stand as tokens
that `writing` replaces.  `town` makes believable files of any size.  `accounts` gives the demonstration's passwords.
Nothing here runs in production.
"""
