import json
from pathlib import Path
from typing import Any

import pytest

from bge_rerank import ConfigurationError, ModelLoadError
from bge_rerank.config import ScorerConfig
from bge_rerank.model_files import ModelConfig, choose_max_length, model_folder, read_config


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
def test_the_config_tells_the_architecture(contents: dict[str, Any], architecture: str) -> None:
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
def test_max_length_defaults_to_what_baai_recommends(
    contents: dict[str, Any], recommended: int
) -> None:
    assert choose_max_length(ScorerConfig(), ModelConfig(contents)) == recommended


@pytest.mark.parametrize("max_length", [0, -5, 513])
def test_a_max_length_that_the_model_cannot_take_is_refused(max_length: int) -> None:
    model = ModelConfig({"model_type": "bert", "max_position_embeddings": 512})
    with pytest.raises(ConfigurationError, match=f"max_length is {max_length}; .* takes 1 to 512"):
        choose_max_length(ScorerConfig(max_length=max_length), model)


@pytest.mark.parametrize("name", ["/no/such/folder", "./no-such", "~/no-such", "a/b/c", "no such"])
def test_a_missing_folder_is_named(name: str) -> None:
    with pytest.raises(ModelLoadError, match=f"there is no folder '{name}'"):
        read_config(ScorerConfig(name))


def test_a_folder_without_a_config_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"config.json.*transformers' layout"):
        read_config(ScorerConfig(str(tmp_path)))


def test_a_config_that_is_no_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ModelLoadError, match=r"cannot read .*config\.json"):
        read_config(ScorerConfig(str(tmp_path)))


@pytest.mark.parametrize("local_files_only", [True, False])
def test_without_the_hub_the_message_says_what_to_do(
    tmp_path: Path, local_files_only: bool
) -> None:
    config = ScorerConfig(cache_dir=str(tmp_path), local_files_only=local_files_only)
    with pytest.raises(ModelLoadError, match="not in the local cache.*model_name='mini'") as caught:
        read_config(config)
    assert "\n" not in str(caught.value)


def hub_cache(folder: Path, revision: str, files: dict[str, str]) -> None:
    """Lay out a repository as the hub's client caches it."""
    repository = folder / "models--BAAI--bge-reranker-v2-m3"
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(revision)
    for name, contents in files.items():
        (snapshot / name).write_text(contents)


def test_a_cached_repository_is_found_by_name_and_revision(tmp_path: Path) -> None:
    old, new = "1" * 40, "2" * 40
    hub_cache(tmp_path, old, {"config.json": json.dumps({"model_type": "old"})})
    hub_cache(tmp_path, new, {"config.json": json.dumps({"model_type": "new"})})
    newest = ScorerConfig(cache_dir=str(tmp_path), local_files_only=True)
    assert read_config(newest).contents == {"model_type": "new"}
    assert model_folder(newest).name == new
    pinned = ScorerConfig(cache_dir=str(tmp_path), local_files_only=True, revision=old)
    assert read_config(pinned).contents == {"model_type": "old"}
    assert model_folder(pinned).name == old
