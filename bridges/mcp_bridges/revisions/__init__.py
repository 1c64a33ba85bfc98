"""Revisions: a message of 2026-07-28 in an older revision."""
