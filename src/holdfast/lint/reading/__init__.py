"""Each kind of statement, read from its words."""
