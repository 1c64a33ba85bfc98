"""The errors that a handler raises to be understood. Rule: only their texts reach a client; the log has all others."""


class ToolError(Exception):
    """The call failed in a way the model can act on: its text becomes a result with `isError`.

    Say what went wrong and what would work. From a resource or a prompt it becomes a JSON-RPC error with the same text.
    Spec: 2026-07-28/server/tools#error-handling
    """


class PluginError(ValueError):
    """A plugin declares something that cannot be served; the text names the function and what to change."""


class ArgumentsError(Exception):
    """Arguments that do not fit: `problems` is one line each, naming the parameter.

    `may_be_more` says that nobody looked for others.
    """

    def __init__(self, problems: list[str], *, may_be_more: bool = False) -> None:
        super().__init__(
            "Invalid arguments: " + "; ".join([*problems, "there may be more"] if may_be_more else problems)
        )
        self.problems = problems
