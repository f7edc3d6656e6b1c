"""A key that no client could send is refused when the server starts."""

import os

import pytest

from bge_rerank import ConfigurationError
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


@pytest.mark.parametrize("key", [None, "k", "two words", "~!@#$%^&*()_+-=[]{}|;:,.<>?/\"'"])
def test_other_keys_are_taken(key: str | None) -> None:
    assert ServerOptions(model_name="m", api_key=key).api_key == key
