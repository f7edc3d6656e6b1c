"""The flags of commands, derived from the classes that declare the options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Sequence
from typing import Any, get_args, get_origin

from bge_rerank.cli.commands.messages import with_flags
from bge_rerank.models.config import LoadOptions, ModelOptions
from bge_rerank.models.options import Option, declared
from bge_rerank.ranking.options import RankOptions
from bge_rerank.scoring.loading import LazyScorer, load_scorer

_OPTION_FLAGS = {each.name: each.flag for each in declared(ModelOptions, LoadOptions, RankOptions)}


def add_flags(
    parser: argparse.ArgumentParser,
    *declaring: type,
    only: Collection[str] | None = None,
    without: Collection[str] = (),
    **defaults: Any,
) -> None:
    """Add a flag for each option of some classes, except secrets.

    Args:
        parser: The parser of the command.
        *declaring: The option classes.
        only: The names of the options that get a flag; `None` is all.
        without: The names of options that do not get a flag.
        **defaults: Defaults of this command, by option, that replace the declared defaults.
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
    """Return the values of the options that a command has flags for, by name."""
    return {
        option.name: getattr(arguments, option.name)
        for option in declared(*declaring)
        if hasattr(arguments, option.name)
    }


def scorer_of(arguments: argparse.Namespace) -> LazyScorer:
    """Return the scorer that the flags of `ModelOptions` describe, without loading it.

    Raises:
        ConfigurationError: The flags cannot work together.
    """
    return load_scorer(**given(arguments, ModelOptions))


def flags_of(parser: argparse.ArgumentParser) -> dict[str, str]:
    """Return the flag of each option that a command has a flag for, by the option's name."""
    # argparse has no public way to list the flags.
    actions = [each for each in parser._actions if each.option_strings]  # noqa: SLF001
    own = {each.dest: each.option_strings[-1] for each in actions}
    there = {flag for each in actions for flag in each.option_strings}
    return {name: flag for name, flag in _OPTION_FLAGS.items() if flag in there} | own


def _help(doc: str, default: Any) -> str:
    """Return the help text of a flag. It names flags, and `None`, which nobody can type, the default."""
    doc = with_flags(doc, _OPTION_FLAGS)
    if default is None:
        return re.sub(r"(^|\. )None(?= \w)", r"\1The default", doc).replace("%", "%%")
    shown = doc if default is False else f"{doc} (default: {default})"
    return shown.replace("%", "%%")


def _kind(option: Option) -> dict[str, Any]:
    """Return the arguments with which argparse reads an option."""
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
