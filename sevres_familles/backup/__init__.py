"""Backups: one encrypted file that holds a portal at one moment, and its way back.

`vault` encrypts and signs a stream; `archive` is what the file holds, its manifest first; `databases` copies each kind
of database while it serves, and puts one back; `heads` says how far the ledger went; `keeping` which backups may go;
`saving` and `restoring` are the two acts; `packing` drops what nothing refers to.  Stands above every area, and is
imported by none: only its commands (`scripts`) begin here.
"""
