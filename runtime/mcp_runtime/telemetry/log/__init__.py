"""The operator's log. Rule: structlog is imported with the first event that is written."""
