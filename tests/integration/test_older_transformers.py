"""The layerwise and lightweight models, on a version of transformers that runs both."""

from pathlib import Path

import pytest

from environments import ROOT, environment, run
from tiny_llm_models import make_tiny_layerwise, make_tiny_lightweight

SCORE = """
import sys
from bge_rerank import ConfigurationError, load_scorer
import FlagEmbedding

folder, name = sys.argv[1:]
pairs = [("where are the boats", text) for text in ("in the harbour", "bread", "Yes")] * 7
scores = load_scorer(folder, cutoff_layers=[4]).score(pairs)
reference = getattr(FlagEmbedding, name)(folder, use_fp16=True, devices=["cpu"], cutoff_layers=[4])
expected = reference.compute_score(pairs, max_length=1024)
assert max(abs(ours - theirs) for ours, theirs in zip(scores, expected, strict=True)) < 1e-4
assert len({round(score, 3) for score in scores}) == 3
try:
    load_scorer(folder, cutoff_layers=[2, 4]).score(pairs)
except ConfigurationError as error:
    assert "pass one layer" in str(error)
print("scored")
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("older") / "environment"
    requirements = ("torch==2.13.0", "transformers==4.47.1", "FlagEmbedding==1.4.2", ROOT)
    return environment(folder, *requirements)


@pytest.mark.long
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (make_tiny_layerwise, "LayerWiseFlagLLMReranker"),
        (make_tiny_lightweight, "LightWeightFlagLLMReranker"),
    ],
)
def test_a_model_with_several_heads_scores_as_flagembedding_does(
    python: Path, tmp_path: Path, make: object, name: str
) -> None:
    folder = make(tmp_path / "model")  # type: ignore[operator]
    assert run(python, "-c", SCORE, folder, name, cwd=tmp_path).strip() == "scored"


@pytest.mark.long
def test_the_torch_backend_has_the_same_scores_with_an_older_transformers(
    python: Path, tmp_path: Path
) -> None:
    import bge_rerank_mini
    from bge_rerank import load_scorer

    code = (
        "import sys; from bge_rerank import load_scorer\n"
        "print(*load_scorer(sys.argv[1], 'torch', dtype='float32').score([('tides', 'The Moon.'), ('q', 'p')]))"
    )
    printed = run(python, "-c", code, bge_rerank_mini.path(), cwd=tmp_path).split()
    expected = load_scorer("mini", "torch", dtype="float32").score(
        [("tides", "The Moon."), ("q", "p")]
    )
    assert list(map(float, printed)) == pytest.approx(expected, abs=1e-4)
