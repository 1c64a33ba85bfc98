"""Reports: what the ledger says, for people and programs."""
