"""The catalog: what is registered, in pages, and who hears of changes."""
