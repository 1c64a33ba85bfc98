"""Gatekeeping: what becomes of each use of the past."""
