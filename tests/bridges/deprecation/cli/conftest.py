"""The fixture of tests of `mcp-runtime legacy`."""

from tests.bridges.deprecation.cli.legacy_command import run

__all__ = ["run"]
