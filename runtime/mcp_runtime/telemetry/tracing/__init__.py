"""Spans of requests: a port, and OpenTelemetry behind it."""
