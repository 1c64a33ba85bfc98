"""The stage a server process is in. Rule: it only goes forward, and what the outside is told of it is read off it."""

from enum import Enum

import msgspec
import trio


class ServerStage(Enum):
    """The stages of a server process. `/readyz` says the value."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


class ServerProgress(msgspec.Struct, kw_only=True):
    """The stage of one server process, and whether it was asked to end."""

    stage: ServerStage = ServerStage.STARTING
    asked: trio.Event = msgspec.field(default_factory=trio.Event)
    """Set once it was asked to end, in whatever stage."""

    def come_up(self) -> bool:
        """Note that the start is over. Returns whether calls are welcome: not where it was asked to end meanwhile."""
        if self.stage is ServerStage.STARTING:
            self.stage = ServerStage.READY
        return self.stage is ServerStage.READY

    def ask(self) -> None:
        """Ask the server to end."""
        self.stage = ServerStage.DRAINING
        self.asked.set()
