"""The configuration chooses the engines; what they open is opened and closed with the process's own block."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from mcp_runtime.config import Config, ConfigError, Limits, StateConfig, load_config
from mcp_runtime.state.engines import FILE_NAME, State, open_state
from mcp_runtime.state.memory import MemoryBus, MemoryStore
from mcp_runtime.state.port import StateError
from mcp_runtime.state.sqlite import SqliteStore


def state(directory: Path, **settings: Any) -> State:
    return open_state(Config(state=StateConfig(directory=str(directory), **settings)))


def names(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


async def test_by_default_what_must_survive_is_kept_in_a_file_of_the_state_directory(tmp_path: Path) -> None:
    first = state(tmp_path / "state")
    assert not (tmp_path / "state").exists()
    async with first.running():
        await first.durable.put("a", b"1", ttl_s=600)
        await first.volatile.put("a", b"2", ttl_s=600)
    assert names(tmp_path / "state") == [FILE_NAME]
    second = state(tmp_path / "state")
    async with second.running():
        assert (await second.durable.get("a"), await second.volatile.get("a")) == (b"1", None)


async def test_in_memory_nothing_is_written_and_the_stores_are_two(tmp_path: Path) -> None:
    kept = state(tmp_path, engine="memory")
    async with kept.running():
        await kept.durable.put("a", b"1", ttl_s=600)
        assert (await kept.durable.get("a"), await kept.volatile.get("a")) == (b"1", None)
    assert names(tmp_path) == []
    assert (type(kept.durable), type(kept.volatile), type(kept.bus)) == (MemoryStore, MemoryStore, MemoryBus)


async def test_the_block_closes_what_was_opened_whatever_happens_in_it(tmp_path: Path) -> None:
    kept = state(tmp_path)

    async def fail() -> None:
        async with kept.running():
            await kept.durable.put("a", b"1", ttl_s=600)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert isinstance(kept.durable, SqliteStore)
    assert kept.durable._file is None


async def test_a_file_that_cannot_be_used_is_the_operators_error_at_start(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"x" * 5000)
    kept = state(tmp_path)
    with pytest.raises(StateError, match="it is damaged") as refused:
        async with kept.running():
            pytest.fail("it started")
    assert isinstance(refused.value, ConfigError)
    assert (refused.value.file, refused.value.key) == (str(tmp_path / FILE_NAME), "state.directory")


async def test_who_must_start_at_once_meets_the_file_with_its_first_use(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b"x" * 5000)
    kept = state(tmp_path)
    async with kept.running(open_now=False):
        with pytest.raises(StateError, match="it is damaged"):
            await kept.durable.get("a")


async def test_the_bounds_are_those_of_the_limits(tmp_path: Path) -> None:
    limits = Limits(max_state_entries=2, max_replay_bytes=1024)
    for engine in ("sqlite", "memory"):
        kept = open_state(Config(state=StateConfig(directory=str(tmp_path), engine=engine), limits=limits))
        async with kept.running():
            for store in (kept.durable, kept.volatile):
                for key in "abc":
                    await store.put(key, b"1", ttl_s=600)
                assert [await store.get(key) for key in "abc"] == [None, b"1", b"1"]
            await kept.volatile.put("d", b"x" * 1023, ttl_s=600)
            assert [await kept.volatile.get(key) for key in "bcd"] == [None, None, b"x" * 1023]


async def test_how_long_a_request_waits_for_a_locked_file_is_a_key_of_the_configuration(tmp_path: Path) -> None:
    kept = state(tmp_path, busy_timeout_s=0.05)
    async with kept.running():
        await kept.durable.put("a", b"1", ttl_s=600)
        with closing(sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with trio.fail_after(4), pytest.raises(StateError, match="another process keeps it locked"):
                await kept.durable.put("a", b"2", ttl_s=600)
        await kept.durable.put("a", b"3", ttl_s=600)


async def test_without_a_directory_of_its_own_the_file_is_where_programs_keep_their_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    kept = open_state(Config())
    async with kept.running():
        await kept.durable.put("a", b"1", ttl_s=600)
    assert (tmp_path / "mcp-runtime" / FILE_NAME).is_file()


def test_the_engine_is_a_key_of_the_configuration(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "MCP_RUNTIME_STATE_ENGINE": "memory"}
    loaded = load_config(environ=environ)
    assert (loaded.state.engine, loaded.state.directory) == ("memory", str(tmp_path / ".local/state/mcp-runtime"))
    with pytest.raises(ConfigError, match='"sqlite" or "memory"'):
        load_config(environ=environ | {"MCP_RUNTIME_STATE_ENGINE": "redis"})


def test_choosing_the_engines_imports_no_database() -> None:
    code = """
import sys
from mcp_runtime.config import Config
from mcp_runtime.state.engines import open_state
open_state(Config())
print("sqlite3" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
