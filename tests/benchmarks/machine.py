"""Where it was measured. Rule: what a reader needs to weigh the numbers, and nothing that names the place."""

import os
import platform
import subprocess
from pathlib import Path

from tests.benchmarks.measurement import Machine
from tests.benchmarks.peers import CACHE, COMPARED, PEERS
from tests.benchmarks.pinning import CORES, are_apart

_PACKAGES = ("mcp", "fastmcp", "uvicorn", "granian", "uvloop", "httptools")


def describe() -> Machine:
    """This machine, now."""
    return Machine(
        processor=_processor(),
        cores=len(CORES),
        pinned_apart=are_apart(),
        python=platform.python_version(),
        kernel=platform.release(),
        load_before=os.getloadavg()[0],
        versions=_versions(),
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in sorted({peer.environment for key, peer in PEERS.items() if key not in COMPARED}):
        folder = CACHE / name
        listed = [
            path.name.removesuffix(".dist-info").replace("-", " ", 1)
            for package in _PACKAGES
            for path in folder.glob(f"lib/python3*/site-packages/{package}-[0-9]*.dist-info")
        ]
        if listed:
            found[name] = ", ".join(listed)
    if (CACHE / "typescript" / "node_modules").is_dir():
        found["typescript"] = _node()
    return found


def _node() -> str:
    manifest = CACHE / "typescript" / "node_modules" / "@modelcontextprotocol" / "server" / "package.json"
    own = next(line.split('"')[3] for line in manifest.read_text().splitlines() if '"version"' in line)
    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return f"@modelcontextprotocol/server {own}, Node {node}"
