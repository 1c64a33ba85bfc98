"""The configuration files of tests. Rule: a test shows the TOML it is about."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from mcp_runtime.config import Config, ConfigError, load_config


def load_text(directory: Path, text: str, *, environ: Mapping[str, str] | None = None, **overrides: object) -> Config:
    """Load a config.toml with `text`; overrides have `_` for the dot of their key path."""
    path = directory / "config.toml"
    path.write_text(dedent(text), encoding="utf-8")
    given = {name.replace("_", ".", 1): value for name, value in overrides.items()}
    return load_config(path, environ=environ or {}, overrides=given)


def refusal(directory: Path, text: str, *, environ: Mapping[str, str] | None = None) -> ConfigError:
    """The error that loading `text` ends in."""
    with pytest.raises(ConfigError) as caught:
        load_text(directory, text, environ=environ)
    return caught.value
