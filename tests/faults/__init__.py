"""Faults: what the portal goes through, and what is left of the books."""
