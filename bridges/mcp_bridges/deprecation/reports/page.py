"""The page for people, `/legacy` on the admin bind. Rule: it shows what the ledger says, and changes nothing.

Never on the bind that clients reach: it names them.
"""

import base64
import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from html import escape
from pathlib import Path
from typing import Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mcp_bridges.deprecation.decisions.policy import Policy
from mcp_bridges.deprecation.ledger.schema import LedgerUnusable
from mcp_bridges.deprecation.reports.evidence import read_evidence
from mcp_bridges.deprecation.reports.html import STYLE, as_html
from mcp_bridges.deprecation.reports.report import make_report

PATH: Final = "/legacy"
MAX_DAYS: Final = 3660
_DEFAULT_DAYS: Final = 30
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""A text that got past the escaping would still not run, and links do not tell the specification's site who reads."""


def legacy_page(path: Path, policy: Policy, *, now: Callable[[], float]) -> Route:
    """The route of the page. `path` is the ledger's file, `now` gives Unix seconds; `?days=90` is for more than 30."""

    async def page(request: Request) -> Response:
        days = _days(request.query_params.get("days", ""))
        until = datetime.fromtimestamp(now(), UTC).date()
        try:
            shown = await anyio.to_thread.run_sync(partial(_render, path, policy, until - timedelta(days - 1), until))
        except LedgerUnusable as error:
            return HTMLResponse(_NOTHING.format(escape(str(error))), status_code=503, headers=_HEADERS)
        return HTMLResponse(shown, headers=_HEADERS)

    return Route(PATH, page, methods=["GET"])


def _render(path: Path, policy: Policy, since: date, until: date) -> str:
    return as_html(make_report(read_evidence(path, since=since, until=until), policy))


def _days(text: str) -> int:
    """The number of days that is asked for, as far as it makes sense."""
    return min(max(int(text), 1), MAX_DAYS) if text.isascii() and text.isdigit() and len(text) <= 4 else _DEFAULT_DAYS


_NOTHING: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>No ledger</title></head>
<body><main><h1>No ledger to show</h1><p>{}</p></main></body></html>
"""
