"""The rules of the town's business, with nothing of the web or the database in them.

Money is whole cents (`money`), amounts and dates are said in French (`french`), references that people copy carry a
check character (`references`), what is owed and paid is a chain of entries (`ledger`), an invoice's state follows from
figures (`invoice`), and a payment moves by a table (`payment`).  Standard library only: the import contract says so.
"""
