"""The rerank server, `bge-rerank serve`, for clients of TEI, Infinity, Cohere and Jina.

May import `adapters`, `evaluation`, `bge_rerank` (the face) and every room below them.
Start reading in `app.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bge_rerank.extras import needs_extra
from bge_rerank.server.options import Limits, ServerOptions

__all__ = ["Limits", "ServerOptions", "create_app"]

if TYPE_CHECKING:
    from bge_rerank.server.app import create_app
else:

    def __getattr__(name: str) -> Any:
        """Import `create_app` on first use: it needs the extra `server`."""
        if name != "create_app":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        with needs_extra("server", "the server"):
            from bge_rerank.server.app import create_app
        return create_app
