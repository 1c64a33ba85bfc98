"""Bridges are found by name, and missed with a clear error."""

import sys
from pathlib import Path

import pytest

from mcp_runtime.cli import main
from mcp_runtime.cli.exit_codes import ExitCode
from mcp_runtime.config.bridge_loading import BridgesMissing, from_bridges
from tests.config.files import load_text, refusal


@pytest.fixture
def no_bridges(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "mcp_bridges"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mcp_bridges", None)  # pyright: ignore[reportArgumentType]  # how Python marks it


def test_what_is_there_is_found() -> None:
    assert from_bridges("gate.client_rules", "parse_rule")("name=a").text == "name=a"


@pytest.mark.usefixtures("no_bridges")
def test_an_installation_without_bridges_says_so() -> None:
    with pytest.raises(BridgesMissing, match="this installation has no bridges to older revisions"):
        from_bridges("gate.client_rules", "parse_rule")


def test_a_module_that_a_bridge_lacks_is_a_defect_of_the_bridge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mcp_bridges

    (tmp_path / "half.py").write_text("import there_is_no_such_module\n")
    monkeypatch.setitem(sys.modules, "mcp_bridges", mcp_bridges)
    mcp_bridges.__path__.append(str(tmp_path))
    try:
        with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
            from_bridges("half", "x")
    finally:
        mcp_bridges.__path__.remove(str(tmp_path))


@pytest.mark.usefixtures("no_bridges")
def test_a_key_that_only_bridges_understand_is_refused_without_them(tmp_path: Path) -> None:
    error = refusal(tmp_path, "[deprecation]\nexempt = ['name=a']")
    assert str(error).endswith(
        "deprecation.exempt: this installation has no bridges to older revisions. Fix: remove the key, or install them."
    )
    assert load_text(tmp_path, "[deprecation]\nstage = 'gone'").deprecation.stage == "gone"


@pytest.mark.usefixtures("no_bridges")
def test_legacy_without_bridges_is_a_configuration_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["legacy", "features"]) == ExitCode.CONFIGURATION
    assert capsys.readouterr().err == (
        "mcp-runtime: command line: legacy features: this installation has no bridges to older revisions. "
        "Fix: install a distribution that has the package mcp_bridges.\n"
    )


@pytest.mark.usefixtures("no_bridges")
def test_check_without_bridges_has_no_advice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == ExitCode.OK
    assert "sunset" not in capsys.readouterr().out
