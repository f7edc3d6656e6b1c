"""The published models, from the hub: they are held to the scores of their model cards, and to FlagEmbedding's.

`make test-hub` runs these tests where the hub can be reached. They download 5.7 GB.
"""

import json
import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.hub,
    pytest.mark.skipif(
        os.environ.get("BGE_RERANK_HUB") != "1",
        reason="downloads models from the hub (set BGE_RERANK_HUB=1)",
    ),
]

PANDA = (
    "The giant panda (Ailuropoda melanoleuca), sometimes called a panda bear or simply panda, "
    "is a bear species endemic to China."
)
PAIRS = [("query", "passage"), ("what is panda?", "hi"), ("what is panda?", PANDA)]
CARD = [-5.65234375, -8.1875, 5.26171875]
"""The logits in the model card of bge-reranker-v2-m3, computed in float16. The other two cards show none."""
MODELS = ["BAAI/bge-reranker-base", "BAAI/bge-reranker-large", "BAAI/bge-reranker-v2-m3"]
SCORE = """
import json, sys
from bge_rerank import load_scorer
name, backend, dtype = sys.argv[1:]
print(json.dumps(load_scorer(name, backend, dtype=dtype).score(json.load(sys.stdin))))
"""


def scores(name: str, backend: str, dtype: str) -> list[float]:
    """Score in another process, which may reach the hub: this one was told to stay offline."""
    online = {key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"}
    done = subprocess.run(
        [sys.executable, "-c", SCORE, name, backend, dtype],
        env=online,
        input=json.dumps(PAIRS),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# Near 8, neighbouring numbers are 0.008 apart in float16, which the card used, and 0.06 in bfloat16.
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 0.05), ("bfloat16", 0.2)])
def test_v2_m3_gives_the_scores_of_its_model_card(dtype: str, bound: float) -> None:
    assert scores("BAAI/bge-reranker-v2-m3", "torch", dtype) == pytest.approx(CARD, abs=bound)


@pytest.mark.parametrize("name", MODELS)
def test_a_published_model_scores_as_with_flagembedding(name: str) -> None:
    ours = scores(name, "torch", "float32")
    assert ours == pytest.approx(scores(name, "flag", "float32"), abs=1e-4)
    assert ours[2] > ours[1]
