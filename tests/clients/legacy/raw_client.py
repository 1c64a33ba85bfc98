"""A client of sessions, byte for byte as a test wants it. Rule: it sends what it is told, and hides nothing."""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import httpx

from tests.support.server_process import PATIENCE_S

REVISION: Final = "2025-06-18"
ACCEPT: Final = "application/json, text/event-stream"
Message = dict[str, Any]


def request(method: str, request_id: int | str = 1, **params: Any) -> Message:
    """A request of a session: nothing of the session is in it."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def call(tool: str, request_id: int | str = 1, **arguments: Any) -> Message:
    """A tools/call."""
    return request("tools/call", request_id, name=tool, arguments=arguments)


def initialize(revision: str = REVISION, name: str = "raw", **capabilities: Any) -> Message:
    """An initialize."""
    client = {"name": name, "version": "1"}
    return request("initialize", 0, protocolVersion=revision, capabilities=capabilities, clientInfo=client)


def messages(response: httpx.Response) -> list[Message]:
    """What is in a body that is one message, or an event stream."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        return list(events(iter(response.text.splitlines())))
    return [response.json()] if response.content else []


def answer(response: httpx.Response) -> Message:
    """The last message of a body: the response."""
    return messages(response)[-1]


def events(lines: Iterator[str]) -> Iterator[Message]:
    """The messages in the lines of an event stream; comments and events without data are left out."""
    for line in lines:
        name, _, value = line.partition(":")
        if name == "data" and value.strip():
            yield json.loads(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSession:
    """A session at the endpoint `url`; `id` and `revision` go with every request."""

    http: httpx.Client
    url: str
    id: str
    revision: str = REVISION

    @property
    def headers(self) -> dict[str, str]:
        return {"accept": ACCEPT, "mcp-session-id": self.id, "mcp-protocol-version": self.revision}

    def post(
        self, message: Message, *, url: str | None = None, extra: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """POST a message, to another endpoint where `url` says so. The response is read to its end."""
        return self.http.post(url or self.url, json=message, headers={**self.headers, **(extra or {})})

    @contextmanager
    def posted(self, message: Message) -> Generator[Iterator[Message]]:
        """POST a message; the messages of the response's event stream, as they come."""
        with self.http.stream("POST", self.url, json=message, headers=self.headers) as response:
            assert response.status_code == 200, response.read()
            yield events(response.iter_lines())

    @contextmanager
    def stream(self) -> Generator[Iterator[Message]]:
        """The GET stream's messages, as they come."""
        with self.http.stream("GET", self.url, headers={**self.headers, "accept": "text/event-stream"}) as response:
            assert response.status_code == 200, response.read()
            yield events(response.iter_lines())

    def delete(self) -> httpx.Response:
        """End the session."""
        return self.http.delete(self.url, headers=self.headers)


def http_client() -> httpx.Client:
    """With a deadline for every wait, and without the machine's proxies."""
    return httpx.Client(timeout=PATIENCE_S, trust_env=False)


def opened(
    http: httpx.Client, url: str, *, name: str = "raw", extra: Mapping[str, str] | None = None, **capabilities: Any
) -> RawSession:
    """A session, initialized."""
    response = http.post(url, json=initialize(name=name, **capabilities), headers={"accept": ACCEPT, **(extra or {})})
    assert response.status_code == 200, response.text
    result = answer(response)["result"]
    assert result["protocolVersion"] == REVISION
    session = RawSession(http=http, url=url, id=response.headers["mcp-session-id"])
    done = session.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, extra=extra)
    assert done.status_code == 202, done.text
    return session
