"""FlagEmbedding's classes in our backend, which protects users from their traps."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from packaging.specifiers import SpecifierSet

import bge_rerank_mini
from bge_rerank import (
    ConfigurationError,
    ModelLoadError,
    OutOfMemoryError,
    ScoringError,
    UnsupportedModelError,
    load_scorer,
)
from bge_rerank.backends.flag.scorer import FLAG_CLASSES, FlagScorer
from bge_rerank.models.config import ScorerConfig
from conftest import PASSAGES, QUERY
from preloaded import ran
from tiny_encoders import make_tiny_reranker
from tiny_llm_models import make_tiny_gemma, make_tiny_layerwise, make_tiny_lightweight

PAIRS = [(QUERY, passage) for passage in PASSAGES * 8]


@pytest.fixture
def scorer() -> FlagScorer:
    return FlagScorer(ScorerConfig("mini", "flag"))


class Passes:
    """A hook that notes the rows of each forward pass, and can make passes fail."""

    def __init__(self, scorer: FlagScorer) -> None:
        self.rows: list[int] = []
        self.most_rows = 10**9
        self.error: BaseException | None = None
        scorer._inner.model.get_input_embeddings().register_forward_pre_hook(self)

    def __call__(self, module: Any, arguments: tuple[torch.Tensor, ...]) -> None:
        self.rows.append(arguments[0].shape[0])
        if self.error is not None and self.rows[-1] > self.most_rows:
            raise self.error


def test_scores_are_those_of_flagembedding(scorer: FlagScorer) -> None:
    from FlagEmbedding import FlagReranker

    reference = FlagReranker(str(bge_rerank_mini.path()), devices=["cpu"])
    reference.model.float()
    assert scorer.score(PAIRS) == pytest.approx(reference.compute_score(PAIRS), abs=1e-5)


def test_scores_agree_with_the_torch_backend(scorer: FlagScorer) -> None:
    assert scorer.score(PAIRS) == pytest.approx(
        load_scorer("mini", "torch", dtype="float32").score(PAIRS), abs=1e-4
    )


def test_it_shows_no_progress_bar(capfd: pytest.CaptureFixture[str]) -> None:
    FlagScorer(ScorerConfig("mini", "flag")).score(PAIRS)
    assert capfd.readouterr() == ("", "")


def test_flagembedding_keeps_its_progress_bars_for_others(scorer: FlagScorer) -> None:
    import FlagEmbedding.inference.reranker.encoder_only.base as module
    from tqdm import tqdm, trange

    scorer.score(PAIRS)
    assert (module.tqdm, module.trange) == (tqdm, trange)


def test_it_runs_in_this_process_on_one_device(scorer: FlagScorer) -> None:
    scorer.score(PAIRS)
    assert scorer._inner.target_devices == ["cpu"]
    assert scorer._inner.pool is None


def test_an_error_is_raised_at_once_and_not_retried_for_ever(scorer: FlagScorer) -> None:
    passes = Passes(scorer)
    passes.error, passes.most_rows = RuntimeError("shapes do not match"), 0
    with pytest.raises(ScoringError, match="shapes do not match"):
        scorer.score(PAIRS)
    assert len(passes.rows) == 1


def test_out_of_memory_halves_the_batch_and_changes_no_score(scorer: FlagScorer) -> None:
    expected = scorer.score(PAIRS)
    passes = Passes(scorer)
    passes.error, passes.most_rows = torch.OutOfMemoryError("CUDA out of memory."), 4
    assert scorer.score(PAIRS) == pytest.approx(expected, abs=1e-5)


def test_a_single_pair_that_does_not_fit_into_memory_is_our_error(scorer: FlagScorer) -> None:
    passes = Passes(scorer)
    passes.error, passes.most_rows = torch.OutOfMemoryError("CUDA out of memory."), 0
    with pytest.raises(OutOfMemoryError, match="lower max_length"):
        scorer.score(PAIRS)


def test_half_precision_files_run_in_the_requested_precision(scorer: FlagScorer) -> None:
    assert {weight.dtype for weight in scorer._inner.model.parameters()} == {torch.float32}
    lower = FlagScorer(ScorerConfig("mini", "flag", dtype="bfloat16"))
    lower.score(PAIRS[:2])
    assert {weight.dtype for weight in lower._inner.model.parameters()} == {torch.bfloat16}


def test_an_embedder_is_refused_by_its_name(tiny_embedder: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"tiny-embedder.* has no classification head"):
        FlagScorer(ScorerConfig(str(tiny_embedder), "flag"))


def test_pickled_weights_are_not_loaded(tmp_path: Path) -> None:
    folder = make_tiny_reranker(tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="pickled weights are not loaded"):
        FlagScorer(ScorerConfig(str(folder), "flag"))


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gemma(tmp_path_factory.mktemp("models") / "gemma")


def test_backend_auto_chooses_flag_for_an_llm_based_model(gemma: Path) -> None:
    from FlagEmbedding import FlagLLMReranker

    scores = load_scorer(str(gemma)).score(PAIRS)
    expected = FlagLLMReranker(str(gemma), devices=["cpu"], max_length=1_024).compute_score(PAIRS)
    assert scores == pytest.approx(expected, abs=1e-4)
    assert max(scores) - min(scores) > 1e-3


def test_an_llm_based_model_shows_no_progress_bar(
    gemma: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    scorer = load_scorer(str(gemma))
    scorer.score(PAIRS)
    capfd.readouterr()
    scorer.score(PAIRS)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("make", "versions"),
    [
        (make_tiny_layerwise, ">=4.44.2,<5"),
        (make_tiny_lightweight, ">=4.44.2,<4.48"),
    ],
)
def test_a_model_that_the_installed_versions_cannot_run_names_the_versions_that_can(
    tmp_path: Path, make: Any, versions: str
) -> None:
    if version("transformers") in SpecifierSet(versions):
        pytest.skip("the installed version of transformers can run it")
    folder = make(tmp_path / "model")
    with pytest.raises(UnsupportedModelError) as caught:
        load_scorer(str(folder), cutoff_layers=[4]).score(PAIRS)
    message = str(caught.value)
    assert all(part in message for part in versions.split(","))
    assert "pip install 'transformers" in message


@pytest.mark.parametrize("architecture", FLAG_CLASSES)
def test_no_class_claims_to_run_with_transformers_that_flagembedding_cannot_import(
    architecture: Any,
) -> None:
    assert "5.24.0" not in FLAG_CLASSES[architecture].transformers
    assert "4.44.2" in FLAG_CLASSES[architecture].transformers


def test_cutoff_layers_are_refused_for_a_model_with_one_head(gemma: Path) -> None:
    with pytest.raises(ConfigurationError, match="has one head"):
        load_scorer(str(gemma), cutoff_layers=[3]).score(PAIRS)


CONFLICT = """
import sys
sys.modules["transformers.modeling_attn_mask_utils"] = None  # transformers 5.24 does not have it
from bge_rerank import MissingDependencyError, load_scorer
try:
    load_scorer("mini", {backend!r}).score([("q", "p")])
except MissingDependencyError as error:
    print(error)
"""


@pytest.mark.parametrize("backend", ["flag", "m3-sparse"])
def test_a_conflict_of_flagembedding_and_transformers_names_both_versions_and_a_remedy(
    backend: str, preloaded_python: Path, tmp_path: Path
) -> None:
    done = ran(preloaded_python, CONFLICT.format(backend=backend), tmp_path)
    assert done.returncode == 0, done.stderr
    message = done.stdout
    assert message.startswith(f"FlagEmbedding {version('FlagEmbedding')} cannot be imported with")
    assert f"transformers {version('transformers')} (" in message
    assert "pip install 'transformers>=4.44.2,<5.24'" in message
    assert "bge-rerank[flag]" not in message
