"""Schemas of arguments and results: made of types, and checked."""
