"""The ledger: who still speaks the old protocol, what of it, and how often."""
