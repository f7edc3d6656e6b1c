"""The API key of a server is checked, and it stays hidden."""

import os
from dataclasses import asdict

import pytest

from bge_rerank import ConfigurationError
from bge_rerank.models.config import revealed
from bge_rerank.server.options import ServerOptions

SECRET = "s3cret"


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        f"{SECRET}\n",
        f" {SECRET}",
        f"{SECRET}\t",
        f"{SECRET}\0",
        f"{SECRET}é",
        os.fsdecode(SECRET.encode() + b"\xff"),
    ],
    ids=ascii,
)
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="BGE_RERANK_API_KEY.*printable ASCII") as refused:
        ServerOptions(model_name="m", api_key=key)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("key", ["k", "two words", "~!@#$%^&*()_+-=[]{}|;:,.<>?/\"'"])
def test_other_keys_are_accepted(key: str) -> None:
    accepted = ServerOptions(model_name="m", api_key=key).api_key
    assert accepted is not None
    assert revealed(accepted) == key


def test_no_key_stays_none() -> None:
    assert ServerOptions(model_name="m").api_key is None


def test_the_key_is_hidden_from_vars_and_dumps() -> None:
    options = ServerOptions(model_name="m", api_key=SECRET)
    shown = f"{options} {vars(options)} {asdict(options)} {options.api_key}"
    assert SECRET not in shown
