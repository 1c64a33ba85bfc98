"""The JSON form of SQLite's values, there and back.

Rule: every value has one JSON form, and that form is a parameter too.

NULL, text, integers and reals are plain JSON. Three things JSON cannot carry become objects: `Blob`, `LargeInteger`
and `InfiniteReal`. SQLite has no dates: they are the text or the number that the database holds.
"""

import binascii
import math
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never

from .refusals import StatementRefused

# JSON readers in JavaScript hold numbers as doubles: past this an id would silently become another id.
MAX_JSON_INTEGER: Final = 2**53 - 1
MAX_SQLITE_INTEGER: Final = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes, in base64."""

    base64: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LargeInteger:
    """An integer beyond 2**53, in decimal digits."""

    integer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InfiniteReal:
    """A real that is infinite."""

    real: Literal["Infinity", "-Infinity"]


Value: TypeAlias = int | float | str | Blob | LargeInteger | InfiniteReal | None
Parameter: TypeAlias = bool | Value  # SQLite has no booleans: they are stored as 0 and 1
Parameters: TypeAlias = Sequence[Parameter] | Mapping[str, Parameter]
SqliteValue: TypeAlias = int | float | str | bytes | None


def decode_text(raw: bytes) -> str:
    """Read stored text. Bytes that are not UTF-8 become U+FFFD, so that a damaged row can still be read."""
    return raw.decode("utf-8", "replace")


def from_sqlite(value: object) -> Value:
    """Return the JSON form of a value that the `sqlite3` module returned."""
    match value:
        case bytes():
            return Blob(base64=b64encode(value).decode("ascii"))
        case int() if abs(value) > MAX_JSON_INTEGER:
            return LargeInteger(integer=str(value))
        case float() if math.isinf(value):
            return InfiniteReal(real="Infinity" if value > 0 else "-Infinity")
        case int() | float() | str() | None:
            return value
        case _:
            raise TypeError(f"sqlite3 returned a {type(value).__name__}")


def json_bytes(value: Value) -> int:
    """Return about how many bytes the value takes in a JSON array: escapes inside text are not counted."""
    match value:
        case Blob():
            return len(value.base64) + 14
        case LargeInteger():
            return len(value.integer) + 15
        case InfiniteReal():
            return 22
        case str():
            return len(value.encode("utf-8", "surrogatepass")) + 3
        case _:
            return len(repr(value)) + 1


def to_sqlite(parameters: Parameters | None) -> list[SqliteValue] | dict[str, SqliteValue]:
    """Return parameters for `Connection.execute`. Raises StatementRefused naming the one that SQLite cannot hold."""
    if parameters is None:
        return []
    if isinstance(parameters, Mapping):
        return {name.lstrip(":@$"): _to_sqlite(value, f"{name!r}") for name, value in parameters.items()}
    return [_to_sqlite(value, f"{number}") for number, value in enumerate(parameters, start=1)]


def _to_sqlite(value: Parameter, where: str) -> SqliteValue:
    match value:
        case Blob():
            return _blob_bytes(value, where)
        case LargeInteger():
            return _sqlite_integer(value.integer, where)
        case InfiniteReal():
            return float(value.real)
        case int():  # bool is one
            return _sqlite_integer(value, where)
        case str():
            return _sqlite_text(value, where)
        case float() | None:
            return value
        case _:
            assert_never(value)


def _blob_bytes(blob: Blob, where: str) -> bytes:
    try:
        return b64decode(blob.base64, validate=True)
    except (binascii.Error, ValueError) as error:
        raise StatementRefused(f"Parameter {where} is not base64: {error}") from error


def _sqlite_integer(value: int | str, where: str) -> int:
    try:
        number = int(value)
    except ValueError as error:
        raise StatementRefused(f"Parameter {where} is not an integer in decimal digits.") from error
    if not -MAX_SQLITE_INTEGER - 1 <= number <= MAX_SQLITE_INTEGER:
        raise StatementRefused(f"Parameter {where} does not fit into SQLite's 64 bit integers.")
    return number


def _sqlite_text(value: str, where: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise StatementRefused(f"Parameter {where} is not valid Unicode text.") from error
    return value
