"""`bge-rerank serve`: rerank over HTTP for clients of TEI, Infinity, Cohere and Jina."""

from __future__ import annotations

import argparse
import os

from bge_rerank.cli.commands.flags import add_flags, given
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import LoadOptions, ModelOptions
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.server.options import Limits, PassOptions, ServerOptions

KEY_VARIABLE = "BGE_RERANK_API_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="The address to listen on (default: %(default)s)")
    add("--port", type=int, default=8080, help="The port to listen on (default: %(default)s)")
    add_flags(parser, PassOptions, Limits)
    # The server shares passes by `PassOptions`, so the model must not wait for more calls.
    add_flags(parser, ModelOptions, LoadOptions, without=("batch_wait_ms",))
    parser.epilog = (
        f"The environment variable {KEY_VARIABLE} sets the API key that clients must send."
    )


def run(arguments: argparse.Namespace) -> None:
    """Load the weights and serve. On SIGTERM, finish the running requests first.

    The environment variable `BGE_RERANK_API_KEY` holds the bearer token that clients must send: a flag
    would show it in the list of processes.

    Raises:
        RerankError: A setting cannot work, or the model could not be found or read.
    """
    with needs_extra("server", "the server"):
        import uvicorn

        from bge_rerank.server.app import create_app
        from bge_rerank.server.connections import bounds
    options = ServerOptions(
        model_name=arguments.model_name,
        limits=Limits(**given(arguments, Limits)),
        api_key=os.environ.get(KEY_VARIABLE) or None,
        **given(arguments, PassOptions),
    )
    scorer = load_scorer(**given(arguments, ModelOptions, LoadOptions)).loaded()
    uvicorn.run(
        create_app(scorer, options),
        host=arguments.host,
        port=arguments.port,
        access_log=False,
        **bounds(options.limits),
    )
