"""The printing of invoices: runs of a lot, as files for the printer.

`choosing` finds what is to be printed, `conformity` what the law misses on it, `pressing` typesets in processes of its
own, `folders` keeps the files from other eyes, and takes them away; `running` does a run from end to end, then confirms
or abandons it.  `resources` is what is kept of a run.
"""
