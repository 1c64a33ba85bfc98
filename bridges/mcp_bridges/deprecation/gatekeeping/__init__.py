"""Gatekeeping: each use of the past is served, told or refused, and logged."""
