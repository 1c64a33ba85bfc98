"""The floor on stock Hypercorn and trio. Rule: nothing of the runtime is here. Takes a port and a module."""

import sys
from functools import partial
from importlib import import_module

import trio
from hypercorn.config import Config
from hypercorn.trio import serve  # pyright: ignore[reportUnknownVariableType]  # its WSGI half is not typed

config = Config()
config.bind = [f"127.0.0.1:{sys.argv[1]}"]
config.keep_alive_max_requests = 1_000_000_000  # it would hang up on wrk, which counts that as an error
trio.run(partial(serve, import_module(sys.argv[2]).app, config, mode="asgi"))
