"""The erasure of clients from the ledger. Rule: nothing that was kept of them is left in the file.

That the ledger was watching on a day stays, and so does what was kept of others.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from mcp_bridges.deprecation.ledger.schema import Opened, opened_for_writing, transaction
from mcp_bridges.gate.identity import Identity
from mcp_bridges.gate.port import LegacyClient

_CLIENTS: Final = "SELECT id, principal, name, version, user_agent, transport, network FROM client ORDER BY id"
_NETWORKS: Final = "SELECT network FROM network WHERE client = ? ORDER BY network"
_ERASE: Final = (
    "DELETE FROM use WHERE client = ?",
    "DELETE FROM network WHERE client = ?",
    "DELETE FROM client WHERE id = ?",
)


class Kept(NamedTuple):
    """A client that the ledger knows: its id, who it is, and the networks that it called from."""

    key: str
    identity: Identity
    networks: tuple[str, ...]

    def seen_as(self) -> Iterator[LegacyClient]:
        """The client, once for each network; as one of no network where none was kept."""
        who = self.identity
        for network in self.networks or (None,):
            yield LegacyClient(
                transport=who.transport,
                name=who.name or None,
                version=who.version or None,
                user_agent=who.user_agent or None,
                principal=who.principal or None,
                peer=network,
            )


def erase(path: Path, is_meant: Callable[[Kept], bool], *, max_bytes: int, dry_run: bool) -> list[Kept]:
    """Remove all that is kept of each client that is meant; those clients. With `dry_run` nothing is removed.

    Raises OSError, sqlite3.Error, LedgerUnusable.
    """
    with opened_for_writing(path, max_bytes=max_bytes) as connection:
        # Overwritten, and not only marked as free: erased data must not be found in the file.
        connection.execute("PRAGMA secure_delete = ON").fetchone()
        with transaction(connection):
            meant = [one for one in _kept(connection) if is_meant(one)]
            for one in meant if not dry_run else ():
                for statement in _ERASE:
                    connection.execute(statement, (one.key,))
        return meant


def _kept(connection: Opened) -> Iterator[Kept]:
    for key, *facts in connection.execute(_CLIENTS).fetchall():
        networks = tuple(name for (name,) in connection.execute(_NETWORKS, (key,)))
        yield Kept(key, Identity(*facts), networks)
