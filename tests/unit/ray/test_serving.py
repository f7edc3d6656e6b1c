"""The arguments of the application, the key that it never takes from them, and the health check of a replica."""

import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bge_rerank.errors import ConfigurationError, ScoringError
from bge_rerank.models.config import LoadOptions, ModelOptions
from bge_rerank.models.options import declared
from bge_rerank.ray.serving import Replica, _server_options
from bge_rerank.ray.serving_options import ServingOptions, serving_options
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.server.options import Limits, PassOptions

KEY = "s3cret"


@pytest.fixture
def logging_restored() -> Iterator[None]:
    ours = logging.getLogger("bge_rerank")
    handlers, level = ours.handlers, ours.level
    yield
    ours.handlers = handlers
    ours.setLevel(level)


def test_each_option_of_the_server_is_an_argument_except_secrets_and_the_wait_of_the_model() -> (
    None
):
    for option in declared(ModelOptions, LoadOptions, PassOptions, Limits):
        taken = not option.hidden and option.name != "batch_wait_ms"
        if taken:
            assert serving_options({option.name: option.default}) == ServingOptions()
        else:
            with pytest.raises(ConfigurationError, match=option.name):
                serving_options({option.name: option.default})


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"max_text": 1}, "no option max_text (did you mean 'max_texts'?)"),
        ({"max_texts": 0}, "max_texts is 0; pass a number above 0"),
        ({"threads": "4"}, "threads is '4'; pass a whole number of 1 or more"),
        ({"dtype": "fp16"}, "dtype is 'fp16'; choose one of"),
        ({"trust_remote_code": "false"}, "trust_remote_code is 'false'; pass a valid boolean"),
        ({"model_name": 3}, "model_name is 3; pass a valid string"),
        ({"require_key": "yes"}, "require_key is 'yes'; pass a valid boolean"),
        ({"device": [0]}, "device is [0]; pass a valid string"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(args: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        serving_options(args)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


def test_a_key_as_an_argument_is_refused_without_showing_it() -> None:
    with pytest.raises(ConfigurationError, match="BGE_RERANK_API_KEY") as refused:
        serving_options({"api_key": KEY})
    assert KEY not in str(refused.value)


def test_options_as_yaml_reads_them_are_taken() -> None:
    given = serving_options({"max_seconds": 5, "device": ["cpu"], "wait_ms": 0, "threads": None})
    assert (given.max_seconds, given.device, given.wait_ms) == (5, ("cpu",), 0)


def test_the_key_comes_from_the_environment_and_no_pickle_holds_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BGE_RERANK_API_KEY", KEY)
    given = serving_options({"require_key": True, "max_texts": 7})
    options = _server_options(given)
    assert options.api_key.get_secret_value() == KEY
    assert options.limits == Limits(max_texts=7)
    assert KEY.encode() not in pickle.dumps(given)


@pytest.mark.parametrize("key", [None, ""])
def test_a_replica_that_requires_a_key_does_not_start_without_it(
    monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.delenv("BGE_RERANK_API_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("BGE_RERANK_API_KEY", key)
    with pytest.raises(ConfigurationError, match="require_key is true, but BGE_RERANK_API_KEY"):
        _server_options(ServingOptions(require_key=True))
    assert _server_options(ServingOptions()).api_key is None


async def test_the_health_check_fails_with_the_model_and_no_cache_hides_that(
    tiny_reranker: Path, monkeypatch: pytest.MonkeyPatch, logging_restored: None
) -> None:
    given = ServingOptions(
        model_name=str(tiny_reranker), backend="torch", threads=1, score_cache="memory"
    )
    replica = Replica(given)
    await replica.check_health()
    weights = load_scorer(str(tiny_reranker), "torch", threads=1).loaded()

    def fail(_: object) -> list[float]:
        raise ScoringError("the device is lost")

    monkeypatch.setattr(weights, "score", fail)
    with pytest.raises(ScoringError, match="the device is lost"):
        await replica.check_health()


async def test_the_health_check_asks_no_server(logging_restored: None) -> None:
    nobody = "http://127.0.0.1:9"
    await Replica(ServingOptions(backend="tei", base_url=nobody, threads=1)).check_health()
