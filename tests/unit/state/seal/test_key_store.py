"""The key of a server comes from its configuration or a file of its own, and is the same after a restart."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from mcp_runtime.config import Config, ConfigError, Origin, SealConfig, StateConfig
from mcp_runtime.config.secret import MIN_KEY_CHARS, Secret
from mcp_runtime.state.seal.key_store import FILE_NAME, load_keys
from mcp_runtime.state.seal.sealer import KeyRing, Sealer, SealError
from mcp_runtime.state.seal.token_format import KEY_BYTES

NOBODY = 65_534
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789ABCD"


def config(directory: Path, *keys: str, file: str | None = None) -> Config:
    return Config(
        state=StateConfig(directory=str(directory)),
        seal=SealConfig(keys=tuple(Secret(key) for key in keys)),
        origin=Origin(file=file),
    )


def open_each_others(one: KeyRing, other: KeyRing) -> bool:
    token = Sealer(one, purpose="p").seal(b"x", principal=None, ttl_s=60)
    try:
        return Sealer(other, purpose="p").open(token, principal=None) == b"x"
    except SealError:
        return False


def refusal(given: Config) -> ConfigError:
    with pytest.raises(ConfigError) as refused:
        load_keys(given)
    return refused.value


@contextmanager
def as_an_ordinary_user() -> Generator[None]:
    """Permissions mean nothing to root, so be somebody else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_key_is_made_at_first_start_and_found_again(tmp_path: Path) -> None:
    first = load_keys(config(tmp_path))
    assert len((tmp_path / FILE_NAME).read_bytes()) == KEY_BYTES
    assert open_each_others(first, load_keys(config(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_two_machines_make_two_keys(tmp_path: Path) -> None:
    assert not open_each_others(load_keys(config(tmp_path / "a")), load_keys(config(tmp_path / "b")))


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_key_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        load_keys(config(tmp_path / "state"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "state" / FILE_NAME).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700


def test_missing_parents_of_the_directory_are_made(tmp_path: Path) -> None:
    load_keys(config(tmp_path / "a" / "b" / "c"))
    assert (tmp_path / "a" / "b" / "c" / FILE_NAME).is_file()


@pytest.mark.parametrize("content", [b"", b"x", b"x" * (KEY_BYTES - 1), b"x" * (KEY_BYTES + 1)])
def test_a_file_that_holds_no_key_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(content)
    error = refusal(config(tmp_path))
    assert (error.key, error.problem) == ("state.directory", f"{path} is no seal key")
    assert "seal.keys" in error.fix
    assert path.read_bytes() == content


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("x")
    error = refusal(config(tmp_path / "state"))
    assert str(tmp_path / "state" / FILE_NAME) in error.problem
    assert error.key == "state.directory"


def test_a_key_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).mkdir()
    assert "Is a directory" in refusal(config(tmp_path)).problem


@pytest.mark.parametrize("mode", [0o000, 0o500])
def test_a_directory_without_permission_is_refused_with_the_reason(tmp_path: Path, mode: int) -> None:
    directory = tmp_path / "state"
    directory.mkdir(mode=mode)
    with as_an_ordinary_user():
        error = refusal(config(directory))
    assert "Permission denied" in error.problem
    assert "set state.directory" in error.fix


def test_a_key_left_half_made_by_a_process_that_died_does_not_stand_in_the_way(tmp_path: Path) -> None:
    # In a container each start has the same process id.
    (tmp_path / f".{FILE_NAME}.{os.getpid()}").write_bytes(b"half")
    assert open_each_others(load_keys(config(tmp_path)), load_keys(config(tmp_path)))


def test_threads_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    rings: list[KeyRing] = []
    barrier = threading.Barrier(8)

    def load() -> None:
        barrier.wait()
        rings.append(load_keys(config(tmp_path)))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rings) == 8
    assert all(open_each_others(rings[0], ring) for ring in rings)


LOAD = """
import sys
from pathlib import Path
from mcp_runtime.config import Config, StateConfig
from mcp_runtime.state.seal.key_store import load_keys
sys.stdout.write("ready")
sys.stdout.flush()
sys.stdin.read()
sys.stderr.write(load_keys(Config(state=StateConfig(directory=sys.argv[1]))).sealing()[1].hex())
"""


def test_processes_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-c", LOAD, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    processes = [start() for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.read(5) == "ready"
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    keys = {process.communicate(timeout=30)[1] for process in processes}
    assert keys == {(tmp_path / FILE_NAME).read_bytes().hex()}


def test_configured_keys_need_no_directory(tmp_path: Path) -> None:
    load_keys(config(tmp_path / "never", LETTERS[:MIN_KEY_CHARS]))
    assert not (tmp_path / "never").exists()


def test_the_same_secret_is_the_same_key_everywhere(tmp_path: Path) -> None:
    secret = "any text will do, caf\u00e9 included, if it is long"
    assert open_each_others(load_keys(config(tmp_path / "a", secret)), load_keys(config(tmp_path / "b", secret)))


def test_the_first_configured_key_seals_and_all_open(tmp_path: Path) -> None:
    old, new = f"old {LETTERS}", f"new {LETTERS}"
    both = load_keys(config(tmp_path, new, old))
    assert open_each_others(load_keys(config(tmp_path, old)), both)
    assert open_each_others(both, load_keys(config(tmp_path, new)))
    assert not open_each_others(both, load_keys(config(tmp_path, old)))


@pytest.mark.parametrize(("length", "fits"), [(MIN_KEY_CHARS - 1, False), (MIN_KEY_CHARS, True)])
def test_a_secret_has_at_least_32_characters(tmp_path: Path, length: int, *, fits: bool) -> None:
    given = config(tmp_path, LETTERS, f"sss{LETTERS}"[:length], file="/etc/config.toml")
    if fits:
        load_keys(given)
    else:
        error = refusal(given)
        assert (error.file, error.key) == ("/etc/config.toml", "seal.keys[1]")
        assert "sss" not in str(error)


def test_without_a_directory_of_its_own_the_key_is_where_programs_keep_their_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    load_keys(Config())
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "state" / "mcp-runtime" / FILE_NAME]
