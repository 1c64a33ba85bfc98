"""The errors of a statement that did not run.

Rule: the text of a `StatementRefused` is written for whoever sent the statement.
"""


class StatementRefused(Exception):
    """Their statement cannot run as it is: it is wrong, not allowed, or asks for too much. The text says why."""


class TableUnknown(StatementRefused):
    """The database has no table or view of that name. The text names the ones it has."""


class DatabaseUnavailable(Exception):
    """The operator's database cannot be used: it is missing, not readable, not a database, damaged or locked."""
