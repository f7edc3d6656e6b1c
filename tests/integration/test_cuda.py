"""The `torch` backend on a CUDA device: packed sequences, scores as on the CPU, and memory. Skipped without a device."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from bge_rerank.backends.device import tokens_that_fit
from bge_rerank.backends.torch.scorer import TorchScorer
from bge_rerank.cli.bench.workload import make_workload
from bge_rerank.models.config import Dtype, ScorerConfig
from tiny_encoders import make_tiny_reranker

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

WORKLOAD = make_workload("mixed", 300)
PAIRS = [(WORKLOAD.query, document) for document in WORKLOAD.documents]
TOLERANCES: dict[Dtype, float] = {"float32": 1e-4, "float16": 0.02, "bfloat16": 0.15}
"""The largest difference of a logit from float32 on the CPU. The logits of `mini` go from -9 to 9."""
BATCH_TOLERANCES: dict[Dtype, float] = {"float32": 1e-4, "float16": 0.01, "bfloat16": 0.06}
"""The largest difference of a logit from that of the pair alone."""


@pytest.fixture(scope="module")
def expected() -> list[float]:
    return TorchScorer(ScorerConfig("mini", dtype="float32", device="cpu")).score(PAIRS)


@pytest.fixture(params=TOLERANCES, scope="module")
def dtype(request: pytest.FixtureRequest) -> Dtype:
    name: Dtype = request.param
    return name


@pytest.fixture(scope="module")
def scorer(dtype: Dtype) -> TorchScorer:
    return TorchScorer(ScorerConfig("mini", dtype=dtype, device="cuda", max_batch_tokens=8_192))


@pytest.fixture
def little_memory() -> Iterator[None]:
    torch.cuda.empty_cache()
    _, total = torch.cuda.mem_get_info()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_allocated() + 2**28) / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)


def test_the_default_is_cuda_in_float16_with_packed_sequences() -> None:
    scorer = TorchScorer(ScorerConfig("mini"))
    assert (scorer.model.device.type, scorer.precision) == ("cuda", "float16")
    sizes = []
    scorer.model.get_input_embeddings().register_forward_pre_hook(
        lambda _, arguments: sizes.append(tuple(arguments[0].shape))
    )
    scorer.score(PAIRS)
    tokens = sum(len(pair.ids) for pair in scorer._encoder.encode(PAIRS))
    assert sum(rows * width for rows, width in sizes) == tokens
    assert {rows for rows, _ in sizes} == {1}


def test_scores_match_the_cpu_within_the_rounding_of_the_precision(
    scorer: TorchScorer, dtype: Dtype, expected: list[float]
) -> None:
    assert scorer.score(PAIRS) == pytest.approx(expected, abs=TOLERANCES[dtype])


def test_padded_rows_have_the_scores_of_packed_sequences(dtype: Dtype, scorer: TorchScorer) -> None:
    config = ScorerConfig("mini", dtype=dtype, device="cuda")
    padded = TorchScorer(config, packs=False).score(PAIRS)
    assert padded == pytest.approx(scorer.score(PAIRS), abs=BATCH_TOLERANCES[dtype])


def test_the_positions_of_each_packed_sequence_start_at_xlm_robertas_first(
    tmp_path: Path,
) -> None:
    folder = str(make_tiny_reranker(tmp_path / "tiny"))
    pairs = [(query[:90], document[:90]) for query, document in PAIRS]
    on_cpu = TorchScorer(ScorerConfig(folder, dtype="float32", device="cpu")).score(pairs)
    packed = TorchScorer(ScorerConfig(folder, dtype="float16", device="cuda")).score(pairs)
    # The logits spread over nearly 10, and float16 on the CPU differs by as much.
    assert packed == pytest.approx(on_cpu, abs=0.2)
    assert max(on_cpu) - min(on_cpu) > 8


def test_a_score_does_not_depend_on_batch_order_or_thread(
    scorer: TorchScorer, dtype: Dtype
) -> None:
    alone = [scorer.score([pair])[0] for pair in PAIRS[:40]]
    tolerance = BATCH_TOLERANCES[dtype]
    assert scorer.score(PAIRS)[:40] == pytest.approx(alone, abs=tolerance)
    assert scorer.score(PAIRS[39::-1]) == pytest.approx(alone[::-1], abs=tolerance)
    begin = threading.Barrier(4)

    def part(number: int) -> list[float]:
        begin.wait()
        return scorer.score(PAIRS[number:40:4])

    with ThreadPoolExecutor(4) as threads:
        for number, scores in enumerate(threads.map(part, range(4))):
            assert scores == pytest.approx(alone[number::4], abs=tolerance)


def test_a_batch_too_large_for_the_device_is_halved_and_no_score_changes(
    expected: list[float], little_memory: None, caplog: pytest.LogCaptureFixture
) -> None:
    config = ScorerConfig("mini", dtype="float32", device="cuda", max_batch_tokens=65_536)
    scores = TorchScorer(config).score(PAIRS)
    assert "out of memory on cuda" in caplog.text
    assert scores == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("packs", [True, False])
def test_a_batch_takes_about_the_estimated_memory(packs: bool) -> None:
    scorer = TorchScorer(ScorerConfig("mini", dtype="float16", device="cuda"), packs=packs)
    scorer.score(PAIRS)
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    tokens = sum(len(pair.ids) for pair in scorer._encoder.encode(PAIRS))
    scorer.score(PAIRS)
    taken = torch.cuda.max_memory_allocated() - held
    # The estimate gives two batches half of the free memory. This leaves room for a batch that takes a quarter more.
    config = scorer.model.config
    free = round(4 * taken / 1.25)
    assert tokens_that_fit(free, config.hidden_size, config.intermediate_size, 2) <= tokens
