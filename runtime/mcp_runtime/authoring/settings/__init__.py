"""Settings of plugins: a table of the configuration as a typed value."""
