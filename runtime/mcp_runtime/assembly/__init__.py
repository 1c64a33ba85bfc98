"""Assembly: from a configuration to a runtime and an application."""
