"""F8: the bank tells one thing a hundred times at once, or a hundred things, to four workers."""
