"""The flags of options, derived from the classes that declare them."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import Any, get_args, get_origin

from bge_rerank.models.config import ModelOptions
from bge_rerank.models.options import Option, declared
from bge_rerank.scoring.loading import LazyScorer, load_scorer


def add_flags(
    parser: argparse.ArgumentParser,
    *declaring: type,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    **defaults: Any,
) -> None:
    """Declare a flag for each option that a command line can give: secrets and objects have none.

    Args:
        parser: What gets the flags.
        *declaring: The option classes.
        only: The names of the options that get a flag; `None` is all.
        without: The names of options that get none.
        **defaults: Values that this command takes where none is given, in place of the declared ones.
    """
    for option in declared(*declaring):
        chosen = only is None or option.name in only
        if chosen and option.name not in without and not option.hidden:
            default = defaults.get(option.name, option.default)
            parser.add_argument(
                option.flag,
                dest=option.name,
                default=default,
                help=_help(option.doc, default),
                **_kind(option),
            )


def given(arguments: argparse.Namespace, *declaring: type) -> dict[str, Any]:
    """Return the options that a command's flags gave, by name."""
    return {
        option.name: getattr(arguments, option.name)
        for option in declared(*declaring)
        if hasattr(arguments, option.name)
    }


def scorer_of(arguments: argparse.Namespace) -> LazyScorer:
    """Return the scorer that the flags of `ModelOptions` name; nothing is loaded.

    Raises:
        ConfigurationError: They cannot work together.
    """
    return load_scorer(**given(arguments, ModelOptions))


def _help(doc: str, default: Any) -> str:
    shown = doc if default is None else f"{doc} (default: {default})"
    return shown.replace("%", "%%")


def _kind(option: Option) -> dict[str, Any]:
    """Return how argparse reads an option."""
    if option.choices:
        return {"choices": option.choices}
    if option.type is bool:
        return {"action": "store_true"}
    if float in option.alternatives:
        return {"type": float, "metavar": "X"}
    if int in option.alternatives:
        return {"type": int, "metavar": "N"}
    several = [each for each in option.alternatives if get_origin(each) is Sequence]
    if several:
        return {"action": "append", "type": get_args(several[0])[0], "metavar": "VALUE"}
    return {"metavar": "VALUE"}
