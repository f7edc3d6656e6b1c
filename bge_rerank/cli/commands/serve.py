"""`bge-rerank serve`: rerank over HTTP for clients of TEI, Infinity, Cohere and Jina."""

from __future__ import annotations

import argparse
import logging
import logging.config
import os

from bge_rerank.backends.http.addresses import base_urls
from bge_rerank.cli.commands.flags import add_flags, given
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import LoadOptions, ModelOptions, ScorerConfig
from bge_rerank.models.registry import RUNTIMES, asks_server
from bge_rerank.scoring.identity import config_of
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.server.options import KEY_VARIABLE, Limits, PassOptions, ServerOptions
from bge_rerank.types import Scorer

logger = logging.getLogger(__name__)


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
        from uvicorn.config import LOGGING_CONFIG

        from bge_rerank.server.app import create_app
        from bge_rerank.server.connections import bounds
    options = ServerOptions(
        model_name=arguments.model_name,
        limits=Limits(**given(arguments, Limits)),
        api_key=os.environ.get(KEY_VARIABLE) or None,
        **given(arguments, PassOptions),
    )
    # Set up before the model is loaded, so that messages about the model are logged too.
    ours = {"handlers": ["default"], "level": "INFO", "propagate": False}
    loggers = {**LOGGING_CONFIG["loggers"], "bge_rerank": ours}
    logging.config.dictConfig({**LOGGING_CONFIG, "loggers": loggers})
    scorer = load_scorer(**given(arguments, ModelOptions, LoadOptions)).loaded()
    logger.info("model %s, %s", options.model_name, _computed_by(scorer))
    port = arguments.port or "any free port"
    key = "not required" if options.api_key is None else f"required ({KEY_VARIABLE})"
    logger.info("address %s, port %s, API key %s", arguments.host, port, key)
    uvicorn.run(
        create_app(scorer, options),
        host=arguments.host,
        port=arguments.port,
        access_log=False,
        log_config=None,
        **bounds(options.limits),
    )


def _computed_by(scorer: Scorer) -> str:
    """Return the backend of a loaded scorer, its precision and its device, as text."""
    config = config_of(scorer) or ScorerConfig()
    if asks_server(config.backend):
        return f"backend {config.backend} at {', '.join(base_urls(config))}"
    precision = getattr(scorer, "precision", None) or "unknown"
    return f"backend {config.backend}, precision {precision}, device {_devices(config)}"


def _devices(config: ScorerConfig) -> str:
    if config.backend in RUNTIMES:
        return "cpu"
    from bge_rerank.backends.device import choose_devices

    return ", ".join(map(str, choose_devices(config)))
