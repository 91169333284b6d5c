"""F13: people, tabs, workers and the bank act on the same invoices in any order; a small model says what must come."""
