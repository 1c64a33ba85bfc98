"""One call, again and again, in the process that serves it. Rule: what is measured is the processor's time, not ours.

A program that measures a peer hands `measure` an async function that makes one call; the result goes to stdout as JSON.
"""

import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio

Once = Callable[[], Awaitable[bytes]]

_WARM: Final = 300
_BATCH: Final = 500


async def measure(once: Once, seconds: float) -> None:
    """Print microseconds of processor, functions called, and bytes held at most, a call of `once`."""
    answer = json.loads(await once())
    assert answer["result"]["content"][0]["text"] == "hello", answer
    for _ in range(_WARM):
        await once()
    found = {"cpu_us": await cpu_us(once, seconds), "functions": await functions(once), "bytes": await peak_bytes(once)}
    sys.stdout.write(json.dumps(found) + "\n")


async def cpu_us(once: Once, seconds: float) -> float:
    """The best of many batches: whatever else the machine does only ever adds to it."""
    best = float("inf")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        started = time.process_time()
        for _ in range(_BATCH):
            await once()
        best = min(best, (time.process_time() - started) / _BATCH * 1e6)
    return best


async def functions(once: Once) -> float:
    """Functions entered, of Python and of C."""
    count = 0

    def notice(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(notice)
    try:
        for _ in range(10):
            await once()
    finally:
        sys.setprofile(None)
    return count / 10


async def peak_bytes(once: Once) -> float:
    """The most that one call holds at a time."""
    tracemalloc.start()
    await once()
    gc.collect()
    gc.disable()
    tracemalloc.reset_peak()
    before, _ = tracemalloc.get_traced_memory()
    await once()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gc.enable()
    return float(peak - before)


def asgi(app: Any, body: bytes, headers: dict[str, str]) -> Once:
    """One POST to an ASGI application."""
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "state": {},
        "extensions": {},
    }

    async def once() -> bytes:
        answer: list[bytes] = []
        given = False

        async def receive() -> dict[str, Any]:
            nonlocal given
            if given:
                await anyio.sleep_forever()  # the client stays and has nothing more to say
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            answer.append(message.get("body", b""))

        await app(dict(scope), receive, send)
        return b"".join(answer)

    return once
