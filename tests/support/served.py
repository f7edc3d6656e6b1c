"""Our own server on loopback, for the length of a block."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from bge_rerank import Scorer
from bge_rerank.server.app import create_app
from bge_rerank.server.options import Limits, ServerOptions


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def serving(
    scorer: Scorer, *, limits: dict[str, Any] | None = None, **options: Any
) -> Iterator[str]:
    """Yield the URL of a server in a thread; it has ended when the block has."""
    app = create_app(
        scorer, ServerOptions(**{"model_name": "m", **options}, limits=Limits(**(limits or {})))
    )
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", 0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
