"""`bge-rerank serve`: rerank for clients of TEI, Infinity, Cohere and Jina."""

from __future__ import annotations

import argparse
import os
from dataclasses import fields

from bge_rerank.errors import ConfigurationError
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import DEFAULT_MODEL
from bge_rerank.scoring.gathering import check_wait
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.server.limits import Limits

KEY_VARIABLE = "BGE_RERANK_API_KEY"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        "--model",
        default=DEFAULT_MODEL,
        help="hub name, folder or 'mini' (default: %(default)s)",
    )
    add("--backend", default="auto", help="what runs it (default: the fastest that can)")
    add("--dtype", default="auto", help="its precision (default: %(default)s)")
    add("--max-length", type=int, metavar="TOKENS", help="cut longer pairs (default: the model's)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: all)")
    add("--host", default="127.0.0.1", help="address to listen at (default: %(default)s)")
    add("--port", type=int, default=8080, help="port to listen at (default: %(default)s)")
    add(
        "--pass-pairs",
        type=int,
        default=32,
        metavar="N",
        help="the most pairs of a pass over the model (default: %(default)s)",
    )
    add(
        "--wait-ms",
        type=float,
        default=1.0,
        metavar="MS",
        help="how long a pass waits for more requests (default: %(default)s)",
    )
    for limit in fields(Limits):
        kind = float if isinstance(limit.default, float) else int
        option = f"--{limit.name.replace('_', '-')}"
        add(option, type=kind, default=limit.default, metavar="N", help="(default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    """Load the weights, listen, and on SIGTERM end what is running.

    The bearer token that clients must send is taken from `BGE_RERANK_API_KEY`, so that no list of
    processes shows it.

    Raises:
        RerankError: A setting cannot work, or the model could not be found or read.
    """
    with needs_extra("server", "the server"):
        import uvicorn

        from bge_rerank.server.app import ServerOptions, create_app
    check_wait("wait_ms", arguments.wait_ms)
    if arguments.pass_pairs < 1:
        raise ConfigurationError(f"pass_pairs is {arguments.pass_pairs}; give 1 or more")
    options = ServerOptions(
        model_name=arguments.model,
        limits=Limits(**{limit.name: getattr(arguments, limit.name) for limit in fields(Limits)}),
        api_key=os.environ.get(KEY_VARIABLE) or None,
        pass_pairs=arguments.pass_pairs,
        wait_ms=arguments.wait_ms,
    )
    scorer = load_scorer(
        arguments.model,
        arguments.backend,
        dtype=arguments.dtype,
        max_length=arguments.max_length,
        threads=arguments.threads,
    ).loaded()
    uvicorn.run(
        create_app(scorer, options), host=arguments.host, port=arguments.port, access_log=False
    )
