"""A test that hangs: it fails in time, says where it hung, and leaves nothing to the tests after it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]

CONFTEST: Final = """
import pytest
from tests.support.time_limit import time_limit

@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup():
    with time_limit(0.3, patience_s=0.3):
        return (yield)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    with time_limit(0.3, patience_s=0.3):
        return (yield)
"""

HANGS: Final = {
    "a trio task, and its cleanup runs": """
        import trio

        async def stuck_child():
            await trio.sleep_forever()

        async def test_hangs():
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(stuck_child)
            finally:
                print("cleaned" + " up")
        """,
    "a trio task that is shielded": """
        import trio

        async def stuck_child():
            with trio.CancelScope(shield=True):
                await trio.sleep_forever()

        async def test_hangs():
            await stuck_child()
        """,
    "a trio task that never awaits": """
        import time

        def stuck_child():
            while True:
                time.sleep(0.01)

        async def test_hangs():
            stuck_child()
        """,
    "plain code that catches what it can": """
        import time

        def stuck_child():
            while True:
                try:
                    time.sleep(60)
                except Exception:
                    pass

        def test_hangs():
            stuck_child()
        """,
    "plain code that even catches the interruption once": """
        import time

        def stuck_child():
            try:
                time.sleep(60)
            except BaseException:
                time.sleep(60)

        def test_hangs():
            stuck_child()
        """,
    "an asyncio task": """
        import asyncio

        async def stuck_child():
            await asyncio.get_running_loop().create_future()

        async def main():
            await asyncio.create_task(stuck_child())

        def test_hangs():
            asyncio.run(main())
        """,
    "another thread": """
        import threading

        def stuck_child():
            threading.Event().wait()

        def test_hangs():
            thread = threading.Thread(target=stuck_child, daemon=True)
            thread.start()
            thread.join()
        """,
    "a generated example": """
        import time
        from hypothesis import given, strategies as st

        def stuck_child():
            time.sleep(60)

        @given(st.integers())
        def test_hangs(number):
            stuck_child()
        """,
    "a fixture": """
        import threading
        import pytest

        def stuck_child():
            threading.Event().wait()

        @pytest.fixture
        def stuck():
            stuck_child()

        def test_hangs(stuck):
            pass
        """,
}

AFTERWARDS: Final = """
async def test_of_trio_that_comes_after():
    import trio
    await trio.sleep(0)

def test_plain_that_comes_after():
    pass
"""


def run_pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", *arguments, "-o", "trio_mode=true", "-W", "error", "-rA", str(directory)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=directory,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize("what", HANGS)
def test_a_test_that_hangs_fails_and_says_where(tmp_path: Path, what: str) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    lines = HANGS[what].splitlines()
    (tmp_path / "test_it.py").write_text("\n".join(line.removeprefix(" " * 8) for line in lines) + AFTERWARDS)
    done = run_pytest(tmp_path)
    assert "The test took longer than 0.3 s. It hung here:" in done.stdout, done.stdout + done.stderr
    assert " in stuck_child: " in done.stdout
    assert "2 passed, 1 " in done.stdout.splitlines()[-1] or "1 failed, 2 passed" in done.stdout.splitlines()[-1]
    assert ("cleaned up" in done.stdout) == ("its cleanup runs" in what)


def test_a_worker_of_xdist_fails_the_test_too(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_it.py").write_text("def test_hangs():\n    import time\n    time.sleep(60)\n" + AFTERWARDS)
    done = run_pytest(tmp_path, "--numprocesses", "1")
    assert "time.sleep(60)" in done.stdout, done.stdout + done.stderr
    assert "1 failed, 2 passed" in done.stdout.splitlines()[-1]


def test_every_folder_is_under_the_limit() -> None:
    """This folder has no conftest.py of its own."""
    assert not (Path(__file__).parent / "conftest.py").exists()
    remaining_s, _ = signal.getitimer(signal.ITIMER_REAL)
    assert 0 < remaining_s <= 120
