"""The exchange files: what the billing software knows, taken in all at once or not at all (docs/exchange.md).

`kinds` says what columns each kind of file has and `values` what a cell may hold; `reading` goes through the rows of a
file; `loading` puts them into a `workspace`, a private SQLite file, and notes every fault (`faults`).  `comparing` sets
the files against the database: more faults, or what is to change.  `staging` writes that under a lot that nobody sees,
publishes it in one tiny transaction, and takes away what a killed run left.  `command` is ``sevres-import``.
"""
