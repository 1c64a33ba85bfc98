"""The frames between the server and a worker: a pickled value behind its length.

Rule: what is read makes values of the classes that stand here, and nothing else: a worker ran what a client wrote.
"""

import pickle
import struct
from io import BytesIO
from pathlib import Path
from typing import Final

from mcp_plugins.sqlite import settings
from mcp_plugins.sqlite.access import database, schema, values

HEADER: Final = struct.Struct("!I")

_CLASSES: Final = {
    (made.__module__, made.__qualname__): made
    for made in (
        type(Path()),
        settings.SqliteSettings,
        database.ExecuteResult,
        database.QueryResult,
        database.ResultColumn,
        database.TablePreview,
        database.WritePlan,
        schema.ColumnDescription,
        schema.ForeignKey,
        schema.IndexDescription,
        schema.TableDescription,
        schema.TableSummary,
        values.Blob,
        values.InfiniteReal,
        values.LargeInteger,
    )
}


def packed(value: object) -> bytes:
    """The frame of a value: its length in four bytes, and the value."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body


def unpacked(body: bytes | bytearray) -> object:
    """The value of a frame without its length. Raises pickle.UnpicklingError for one of another class."""
    return _Reader(BytesIO(body)).load()


class _Reader(pickle.Unpickler):
    """A reader of pickles that looks classes up in the table, and imports none."""

    def find_class(self, module_name: str, global_name: str, /) -> object:
        try:
            return _CLASSES[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module_name}.{global_name} does not belong in a frame") from None
