"""Telemetry: what an operator can see of the work, in numbers, spans and log lines."""
