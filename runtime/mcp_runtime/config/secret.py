"""A secret: a value that must not be seen. Rule: only `reveal()` shows it; every other way to text gives `***`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn, final

from mcp_runtime.platform.home import expanded

HIDDEN: Final = "***"
"""The text that stands in a log, a repr or a message where a secret would."""
MIN_KEY_CHARS: Final = 32
"""Characters of a secret that is a key: as long as 16 random bytes in hex, 128 bits."""
_MIN_DIFFERENT_CHARS: Final = 8
"""Of 32 random hexadecimal digits 14 are different; fewer than 8 mean that somebody held a key down."""


@final
class Secret:
    """A secret from the configuration. `reveal()` returns its text; repr, str, format and logs show `***`.

    Equality takes the same time whatever the texts are. A secret cannot be pickled or encoded as JSON.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def parse(cls, reference: str, *, directory: Path, environ: Mapping[str, str]) -> "Secret":
        """Read `file:PATH` (relative to `directory`, without its last newline), `env:NAME`, or take the text itself.

        Raises ValueError with a sentence that names the file or variable, never the secret; also where others than
        its owner can write that file.
        """
        kind, separator, rest = reference.partition(":")
        match kind if separator else "":
            case "file":
                text = _from_file(directory / expanded(rest))
            case "env":
                text = _from_environment(rest, environ)
            case _:
                text = reference
        if not text:
            raise ValueError("the secret is empty")
        return cls(text)

    def reveal(self) -> str:
        """The text itself, for the one place that uses it."""
        return self._text

    def why_weak(self) -> str | None:
        """The reason why it is no key, as "is ..."; None where it may be one."""
        if len(self._text) < MIN_KEY_CHARS:
            return f"is shorter than {MIN_KEY_CHARS} characters"
        if len(set(self._text)) < _MIN_DIFFERENT_CHARS:
            return "is not random: few of its characters are different"
        return None

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, spec: str) -> str:
        return format(HIDDEN, spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        import hmac

        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled: the copy would show it")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: object) -> Any:
        """Lets a pydantic settings model have a field of this type; the configuration has parsed it before."""
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)


def _from_file(path: Path) -> str:
    from mcp_runtime.platform.private_files import why_not_ours  # most configurations name no file

    try:
        exposed = why_not_ours(path)
        if exposed is not None:
            raise ValueError(f"{exposed}: what they write there is no secret")
        return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"cannot read {path}: {error}") from None
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error}") from None


def _from_environment(name: str, environ: Mapping[str, str]) -> str:
    if name not in environ:
        raise ValueError(f"the environment variable {name} is not set")
    return environ[name]
