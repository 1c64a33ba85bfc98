"""Type guards for decoded JSON: object or array. Rule: JSON is narrowed here, once, and typed from there on."""

from typing import Any, TypeGuard


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    """Whether `value`, decoded JSON, is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[Any]]:
    """Whether `value`, decoded JSON, is an array."""
    return isinstance(value, list)
