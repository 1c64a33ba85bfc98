"""Load on an HTTP server. Rule: the requests are bytes made beforehand; wrk sends them and counts.

Spec of its scripting: https://github.com/wg/wrk/blob/master/SCRIPTING
"""

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.benchmarks.pinning import LOAD_CORE, pinned_to

_MARK: Final = "RESULT "
_SCRIPT: Final = """\
local file = assert(io.open("{requests}", "rb"))
local requests = {{}}
for _, size in ipairs({{{sizes}}}) do requests[#requests + 1] = file:read(size) end
file:close()
local following = 0
function request()
    following = following % #requests + 1
    return requests[following]
end
function done(summary, latency)
    local errors = summary.errors
    io.write(string.format(
        '{mark}{{"requests":%d,"duration_us":%d,"failed":%d,"status":%d,"p50_us":%d,"p99_us":%d}}\\n',
        summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.timeout,
        errors.status, latency:percentile(50), latency:percentile(99)))
end
"""


class LoadError(Exception):
    """A run in which something else than the answer came back, or wrk did not run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of one run."""

    requests: int
    duration_us: int
    failed: int
    status: int
    p50_us: int
    p99_us: int

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / (self.duration_us / 1e6)


def script(requests: Sequence[bytes], file: Path) -> str:
    """A Lua program that sends `requests` one after the other, again and again. `file` is where they are."""
    sizes = ",".join(str(len(request)) for request in requests)
    return _SCRIPT.format(requests=file, sizes=sizes, mark=_MARK)


def read_result(output: str) -> Load:
    """What the script said at its end. Raises LoadError where it did not come to one."""
    for line in output.splitlines():
        if line.startswith(_MARK):
            return Load(**json.loads(line.removeprefix(_MARK)))
    raise LoadError(f"wrk came to no result:\n{output}")


def run(port: int, requests: Sequence[bytes], *, seconds: float, connections: int) -> Load:
    """Send `requests` to 127.0.0.1:`port` over so many connections. Raises LoadError where one of them failed."""
    with tempfile.TemporaryDirectory(prefix="wrk-") as folder:
        file, program = Path(folder, "requests"), Path(folder, "script.lua")
        file.write_bytes(b"".join(requests))
        program.write_text(script(requests, file))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
        with pinned_to(LOAD_CORE):
            ran = subprocess.run(
                [*command, "-s", str(program), f"http://127.0.0.1:{port}/"], capture_output=True, text=True, check=False
            )
    load = read_result(ran.stdout + ran.stderr)
    if load.failed or load.status:
        raise LoadError(f"{load.failed} requests failed, {load.status} got another status than 2xx or 3xx")
    return load
