"""The listing: one list of the catalog, in pages.

Rule: registration order, pages encoded once and kept until the list changes.

Spec: 2026-07-28/server/utilities/pagination
"""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from msgspec import UNSET, Raw, UnsetType

from mcp_runtime.protocol.errors import INVALID_PARAMS, PeerError
from mcp_runtime.protocol.jsonrpc import encode_json
from mcp_runtime.protocol.messages import CacheableResult

EntryT = TypeVar("EntryT")
EntryT_contra = TypeVar("EntryT_contra", contravariant=True)


class MakePage(Protocol[EntryT_contra]):
    """The maker of pages: turns the entries of one page into its result."""

    def __call__(self, entries: Sequence[EntryT_contra], next_cursor: str | UnsetType, /) -> CacheableResult:
        """The page of `entries`; `next_cursor` where there are more."""
        ...


class Listing(Mapping[str, EntryT], Generic[EntryT]):
    """One list of the catalog: entries by key (a name or URI) in the order they were added.

    `kind` is what cursors of this list are marked with. `changed` is called after every change.
    """

    def __init__(self, kind: str, page_size: int, make_page: MakePage[EntryT], changed: Callable[[], None]) -> None:
        self.kind = kind
        self._page_size = page_size
        self._make_page = make_page
        self._changed = changed
        self._entries: dict[str, EntryT] = {}
        self._pages: dict[str | None, Raw] = {}

    def __getitem__(self, key: str) -> EntryT:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def get_entry(self, key: str) -> EntryT | None:
        """The entry under `key`, None where there is none."""
        return self._entries.get(key)

    def add(self, key: str, entry: EntryT) -> None:
        """Append an entry. The caller has made sure that `key` is free."""
        self._entries[key] = entry
        self._forget()

    def remove(self, key: str) -> None:
        """Take an entry out. Raises KeyError where there is none."""
        del self._entries[key]
        self._forget()

    def _forget(self) -> None:
        self._pages = {}
        self._changed()

    def page(self, cursor: str | None) -> Raw:
        """The encoded result for `cursor`, None for the first page.

        Raises PeerError -32602 for a cursor not of this list.

        A cursor names the last entry of the page before, so entries added or removed elsewhere shift nothing. One whose
        entry is gone is invalid: the client starts over.
        """
        pages = self._pages
        known = pages.get(cursor)
        if known is None:
            known = pages[cursor] = self._encode_page(cursor)
        return known

    def _encode_page(self, cursor: str | None) -> Raw:
        keys = list(self._entries)
        start = 0 if cursor is None else keys.index(self._key_before(cursor)) + 1
        taken = keys[start : start + self._page_size]
        more = start + self._page_size < len(keys)
        result = self._make_page(
            [self._entries[key] for key in taken], encode_cursor(self.kind, taken[-1]) if more else UNSET
        )
        return Raw(encode_json(result))

    def _key_before(self, cursor: str) -> str:
        key = decode_cursor(self.kind, cursor)
        if key is None or key not in self._entries:
            raise PeerError(INVALID_PARAMS, "Invalid params: cursor is not valid (any more); list again from the start")
        return key


def encode_cursor(kind: str, key: str) -> str:
    """The cursor that continues the list `kind` after `key`."""
    return base64.urlsafe_b64encode(f"{kind}\0{key}".encode()).rstrip(b"=").decode("ascii")


def decode_cursor(kind: str, cursor: str) -> str | None:
    """The key in `cursor`, or None where it is no cursor of the list `kind`."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    found, separator, key = text.partition("\0")
    # One spelling per cursor: pages are kept by it, and base64's unused bits would give one page many names.
    return key if separator and found == kind and encode_cursor(kind, key) == cursor else None
