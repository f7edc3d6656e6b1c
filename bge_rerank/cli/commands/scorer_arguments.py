"""The arguments that say which scorer a command uses."""

from __future__ import annotations

import argparse
from typing import get_args

from bge_rerank.models.config import DEFAULT_MODEL, Dtype
from bge_rerank.models.registry import BACKENDS
from bge_rerank.scoring.loading import LazyScorer, load_scorer


def add_scorer_arguments(
    parser: argparse.ArgumentParser, default_model: str | None = DEFAULT_MODEL
) -> None:
    """Declare the arguments; a `default_model` of `None` leaves the choice to the command."""
    add = parser.add_argument
    default = default_model or "the file's"
    add("--model", default=default_model, help=f"hub name, folder or 'mini' (default: {default})")
    add("--revision", help="a branch, tag or commit of the hub repository")
    add("--backend", default="auto", choices=["auto", *BACKENDS])
    add("--base-url", help="where the server is, for a backend that asks one")
    add("--device", help="a torch device (default: an accelerator where there is one)")
    add("--dtype", default="auto", choices=get_args(Dtype), help="(default: %(default)s)")
    add("--max-length", type=int, metavar="TOKENS", help="cut longer pairs (default: the model's)")


def scorer_of(arguments: argparse.Namespace) -> LazyScorer:
    """Return the scorer that the arguments name; nothing is loaded.

    Raises:
        ConfigurationError: They cannot work together.
    """
    return load_scorer(
        arguments.model,
        arguments.backend,
        revision=arguments.revision,
        base_url=arguments.base_url,
        device=arguments.device,
        dtype=arguments.dtype,
        max_length=arguments.max_length,
    )
