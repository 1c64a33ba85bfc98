"""Reports: the evidence in the ledger, for people and programs."""
