"""`ServingOptions`: the arguments of `app_builder`, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bge_rerank.errors import ConfigurationError
from bge_rerank.inputs import nearest, shown_value
from bge_rerank.models.config import LoadOptions, ModelOptions
from bge_rerank.models.options import Option, declared, option, options
from bge_rerank.server.options import KEY_VARIABLE, Limits, PassOptions


@options
class ServingOptions(Limits, PassOptions, LoadOptions, ModelOptions):
    """The arguments of `app_builder`: the options of `bge-rerank serve`, under the same names."""

    require_key: bool = option(
        default=False,
        doc=f"Whether a replica refuses to start without the API key, which {KEY_VARIABLE} holds in the environment of its Ray node.",
    )


def serving_options(args: Mapping[str, Any]) -> ServingOptions:
    """Check the arguments of `app_builder`.

    Raises:
        ConfigurationError: An option does not exist, is a secret, or has a value that cannot work.

    >>> serving_options({"threads": "4"})
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: threads is '4'; pass a whole number of 1 or more, or None for every core
    >>> serving_options({"local_files_only": "no"})
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: local_files_only is 'no'; pass a valid boolean
    """
    known = {each.name: each for each in declared(ServingOptions)}
    # The server shares passes by `PassOptions`, so the model must not wait for more calls.
    del known["batch_wait_ms"]
    for name, value in args.items():
        if name not in known:
            raise ConfigurationError(f"no option {name}{nearest(name, known)}")
        if known[name].hidden:
            raise ConfigurationError(
                f"{name} would be shown by Ray's logs and by `serve config`; leave it out, and set "
                f"the environment variable {KEY_VARIABLE} of each Ray node"
            )
        _check(known[name], value)
    return ServingOptions(**args)


def _check(declared_option: Option, value: Any) -> None:
    declared_option.refuse(value)
    try:
        TypeAdapter(declared_option.type).validate_python(value, strict=True)
    except ValidationError as error:
        messages = (each["msg"].removeprefix("Input should be ") for each in error.errors())
        wanted = " or ".join(dict.fromkeys(messages))
        raise ConfigurationError(
            f"{declared_option.name} is {shown_value(value)}; pass {wanted}"
        ) from None
