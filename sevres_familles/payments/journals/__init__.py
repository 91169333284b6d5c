"""The bank's journals, taken in and compared with our books (payments.md §5, requirements R6).

`taking` goes through a journal, `resources` keeps it with what came of it, `report` writes that for people, `command`
is ``sevres-journal``.  Reading a file is the gateway's (`gateways.systempay_journals`).
"""
