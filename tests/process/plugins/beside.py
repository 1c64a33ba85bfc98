"""A file beside a plugin, which the plugin imports. Rule: it is no plugin."""


def double(number: int) -> int:
    """Twice the number."""
    return 2 * number
