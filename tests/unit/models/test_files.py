from pathlib import Path
from typing import Any

import pytest

from bge_rerank import ConfigurationError, ModelLoadError, load_scorer
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import (
    ModelConfig,
    choose_max_length,
    loading_errors,
    model_folder,
    read_config,
)
from conftest import PASSAGES, QUERY, REVISION
from hub_shape import add_to_hub_cache


@pytest.mark.parametrize(
    ("contents", "architecture"),
    [
        ({"architectures": ["XLMRobertaForSequenceClassification"]}, "encoder"),
        ({"architectures": ["BertForSequenceClassification"]}, "encoder"),
        ({"architectures": ["GemmaForCausalLM"]}, "decoder"),
        ({"architectures": ["LayerWiseMiniCPMForCausalLM"]}, "layerwise"),
        ({"architectures": ["CostWiseGemmaForCausalLM"]}, "lightweight"),
        ({"auto_map": {"AutoModelForCausalLM": "m.LayerWiseMiniCPMForCausalLM"}}, "layerwise"),
        ({}, "encoder"),
    ],
)
def test_the_architecture_comes_from_the_class_names_in_the_config(
    contents: dict[str, Any], architecture: str
) -> None:
    assert ModelConfig(contents).architecture == architecture


@pytest.mark.parametrize(
    ("contents", "recommended"),
    [
        # The three encoders as BAAI publishes them, then mini.
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, 512),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 8194, "pad_token_id": 1}, 1024),
        ({"model_type": "bert", "max_position_embeddings": 512, "pad_token_id": 0}, 512),
        ({"model_type": "gemma", "max_position_embeddings": 8192}, 1024),
    ],
)
def test_max_length_defaults_to_the_length_that_baai_recommends(
    contents: dict[str, Any], recommended: int
) -> None:
    assert choose_max_length(ScorerConfig(), ModelConfig(contents)) == recommended


def test_a_max_length_above_the_positions_of_the_model_is_refused() -> None:
    model = ModelConfig({"model_type": "bert", "max_position_embeddings": 512})
    with pytest.raises(ConfigurationError, match=r"max_length is 513, .*; pass 1 to 512"):
        choose_max_length(ScorerConfig(max_length=513), model)


@pytest.mark.parametrize("name", ["/no/such/folder", "./no-such", "~/no-such", "a/b/c", "no such"])
def test_a_missing_folder_is_named(name: str) -> None:
    with pytest.raises(ModelLoadError, match=f"the folder '{name}' does not exist"):
        read_config(ScorerConfig(name))


def test_a_folder_without_a_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"config.json.*the layout of transformers"):
        read_config(ScorerConfig(str(tmp_path)))


def test_a_config_that_is_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelLoadError, match=r"cannot read .*config\.json"):
        read_config(ScorerConfig(str(tmp_path)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "recursion"),
        ("[]", "it is not a JSON object"),
        ("null", "it is not a JSON object"),
        ('{"architectures": "BertModel"}', "architectures is 'BertModel'"),
        ('{"auto_map": []}', r"auto_map is \[\]"),
        ('{"num_hidden_layers": 0}', "it has no layers"),
        ('{"num_hidden_layers": -1}', "num_hidden_layers is -1"),
        ('{"model_type": 3}', "model_type is 3"),
        ('{"max_position_embeddings": "512"}', "max_position_embeddings is '512'"),
        ('{"max_position_embeddings": -1}', "max_position_embeddings is -1"),
        ('{"pad_token_id": [0]}', r"pad_token_id is \[0\]"),
        (f'{{"pad_token_id": {10**400}}}', "pad_token_id is 1000"),
        (f'{{"pad_token_id": {"9" * 5_000}}}', "integer string conversion"),
        ('{"model_type": "roberta", "pad_token_id": null}', "pad_token_id is null"),
        ('{"model_type": "roberta", "max_position_embeddings": 1}', "leaves 0 positions"),
    ],
)
def test_a_config_with_a_wrong_field_is_named_with_its_fault(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelLoadError, match=rf"config\.json' \(.*{message}") as caught:
        read_config(ScorerConfig(str(tmp_path)))
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("local_files_only", [True, False])
def test_without_the_hub_the_message_says_what_to_do(
    tmp_path: Path, local_files_only: bool
) -> None:
    config = ScorerConfig(cache_dir=str(tmp_path), local_files_only=local_files_only)
    with pytest.raises(ModelLoadError, match="not in the local cache.*model_name='mini'") as caught:
        read_config(config)
    assert "\n" not in str(caught.value)


def test_a_cached_repository_is_found_by_its_name(hub_cache: Path) -> None:
    config = ScorerConfig(cache_dir=str(hub_cache), local_files_only=True)
    assert read_config(config).contents["model_type"] == "bert"
    assert model_folder(config).name == REVISION
    assert (model_folder(config) / "config.json").is_symlink()


def test_a_cached_repository_is_found_by_its_revision(hub_cache: Path) -> None:
    config = ScorerConfig(cache_dir=str(hub_cache), local_files_only=True, revision=REVISION)
    assert model_folder(config).name == REVISION


def test_a_missing_revision_is_refused(hub_cache: Path) -> None:
    config = ScorerConfig(cache_dir=str(hub_cache), local_files_only=True, revision="v9")
    with pytest.raises(ModelLoadError, match="bge-reranker-v2-m3"):
        read_config(config)


def test_a_model_from_the_hub_scores_as_its_local_copy_does(hub_cache: Path) -> None:
    pairs = [(QUERY, passage) for passage in PASSAGES]
    from_hub = load_scorer(cache_dir=str(hub_cache), local_files_only=True)
    assert from_hub.score(pairs) == load_scorer("mini").score(pairs)


def test_an_export_from_the_hub_is_found_by_its_name(exported_mini: Path, tmp_path: Path) -> None:
    add_to_hub_cache(tmp_path, "acme/reranker", exported_mini, REVISION)
    options = {"cache_dir": str(tmp_path), "local_files_only": True}
    pairs = [(QUERY, passage) for passage in PASSAGES]
    expected = load_scorer(str(exported_mini)).score(pairs)
    assert load_scorer("acme/reranker", **options).score(pairs) == expected
    assert load_scorer("acme/reranker", "onnx", **options).score(pairs) == pytest.approx(
        expected, abs=1e-4
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError("no such file\nand a page of advice"), "cannot load 'm': no such file"),
        (RuntimeError("CUDA out of memory."), "cannot load 'm': CUDA out of memory."),
        (OSError(), "cannot load 'm': OSError"),
        (KeyError("hidden_act"), "cannot load 'm': KeyError: 'hidden_act'"),
        (TypeError("no number:\n  'x'\nmore"), "cannot load 'm': TypeError: no number: 'x'"),
    ],
)
def test_an_error_of_a_library_while_loading_becomes_one_line(
    error: Exception, message: str
) -> None:
    with pytest.raises(ModelLoadError) as caught, loading_errors("m"):
        raise error
    assert str(caught.value) == message
    assert caught.value.__cause__ is error


def test_our_own_error_while_loading_stays_unchanged() -> None:
    with pytest.raises(ConfigurationError, match="unchanged"), loading_errors("m"):
        raise ConfigurationError("unchanged")


def test_a_file_that_is_not_json_is_named_after_the_error_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{")
    fault = r"tokenizer_config\.json is not valid JSON\)$"
    with pytest.raises(ModelLoadError, match=fault), loading_errors(str(tmp_path)):
        raise ValueError("Expecting property name")
