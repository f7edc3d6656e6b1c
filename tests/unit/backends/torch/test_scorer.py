import logging
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import XLMRobertaConfig

from bge_rerank import (
    ConfigurationError,
    ModelLoadError,
    OutOfMemoryError,
    ScoringError,
    UnsupportedModelError,
)
from bge_rerank.backends.device import CPU_BATCH_COSTS, InHalves
from bge_rerank.backends.encoder.batches import coarse_length
from bge_rerank.backends.encoder.scorer import PAIRS_A_PACKED_WINDOW
from bge_rerank.backends.machine import cpu_flags, matrix_unit
from bge_rerank.backends.torch.scorer import TorchRunner, TorchScorer, can_pack
from bge_rerank.models.config import ScorerConfig
from conftest import PASSAGES, QUERY
from preloaded import ran
from tiny_encoders import make_tiny_reranker

PAIRS = [(QUERY, passage * (1 + index % 3)) for index, passage in enumerate(PASSAGES * 4)]


@pytest.fixture
def scorer() -> TorchScorer:
    return TorchScorer(ScorerConfig("mini", "torch", dtype="float32"))


class Passes:
    """A hook that records the shape of each forward pass, and can make passes fail."""

    def __init__(self, scorer: TorchScorer) -> None:
        self.shapes: list[tuple[int, int]] = []
        self.most_rows = 10**9
        self.error: BaseException | None = None
        embeddings = scorer.model.get_input_embeddings()
        embeddings.register_forward_pre_hook(self)

    def __call__(self, module: Any, arguments: tuple[torch.Tensor, ...]) -> None:
        rows, width = arguments[0].shape
        self.shapes.append((rows, width))
        if self.error is not None and rows > self.most_rows:
            raise self.error


def test_each_pair_is_computed_once(scorer: TorchScorer) -> None:
    passes = Passes(scorer)
    scorer.score(PAIRS)
    assert sum(rows for rows, _ in passes.shapes) == len(PAIRS)


@pytest.fixture(scope="module")
def tiny_of_512(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Make a tiny model for texts as long as those of `mini`, to count its rows in little time."""
    return str(make_tiny_reranker(tmp_path_factory.mktemp("models") / "tiny", positions=512))


def test_rows_in_bfloat16_have_few_lengths(tiny_of_512: str) -> None:
    scorer = TorchScorer(ScorerConfig(tiny_of_512, "torch", dtype="bfloat16"))
    passes = Passes(scorer)
    scorer.score([(QUERY, "tides " * length) for length in range(20, 300)])
    widths = {width for _, width in passes.shapes}
    assert all(width == coarse_length(width, scorer.max_length) for width in widths)
    assert len(widths) < 24


def test_padding_is_a_small_share_of_the_computed_tokens(tiny_of_512: str) -> None:
    scorer = TorchScorer(ScorerConfig(tiny_of_512, "torch", dtype="float32"))
    passes = Passes(scorer)
    pairs = [(QUERY, PASSAGES[1] * (1 + index * 7 % 40)) for index in range(80)]
    scorer.score(pairs)
    real = sum(len(encoded.ids) for encoded in scorer._encoder.encode(pairs))
    padded = sum(rows * width for rows, width in passes.shapes)
    assert real <= padded <= 1.1 * real


def test_no_batch_is_over_the_token_budget() -> None:
    scorer = TorchScorer(ScorerConfig("mini", "torch", max_batch_tokens=100))
    passes = Passes(scorer)
    scorer.score(PAIRS)
    assert all(rows * width <= 100 or rows == 1 for rows, width in passes.shapes)


def test_a_small_call_of_like_lengths_is_one_batch(scorer: TorchScorer) -> None:
    passes = Passes(scorer)
    scorer.score([(QUERY, "tides " * length) for length in (20, 21, 22, 20, 23)])
    assert [rows for rows, _ in passes.shapes] == [5]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {},
            "{tokens:,} tokens a batch, for {unit} and {threads} threads; a batch costs as much as {cost}",
        ),
        (
            {"max_batch_tokens": 1_100},
            "1,100 tokens a batch, as max_batch_tokens says; a batch costs",
        ),
    ],
)
def test_the_log_says_the_sizes_of_batches_and_why(
    caplog: pytest.LogCaptureFixture, options: dict[str, int], said: str
) -> None:
    with caplog.at_level(logging.INFO, "bge_rerank"):
        scorer = TorchScorer(ScorerConfig("mini", "torch", dtype="float32", **options))
    unit = matrix_unit("float32", cpu_flags())
    expected = said.format(
        tokens=scorer.max_batch_tokens,
        threads=torch.get_num_threads(),
        unit=unit,
        cost=CPU_BATCH_COSTS[unit],
    )
    assert expected in caplog.text


def packing(model: str = "mini", **options: Any) -> TorchScorer:
    return TorchScorer(ScorerConfig(model, "torch", dtype="float32", **options), packs=True)


def test_packed_sequences_have_the_scores_of_padded_rows_and_no_padding(
    scorer: TorchScorer,
) -> None:
    packed = packing(max_batch_tokens=200)
    passes = Passes(packed)
    assert packed.score(PAIRS) == pytest.approx(scorer.score(PAIRS), abs=1e-4)
    assert sum(width for _, width in passes.shapes) == sum(
        len(pair.ids) for pair in packed._encoder.encode(PAIRS)
    )
    assert all(rows == 1 and width <= 200 for rows, width in passes.shapes)


@pytest.mark.parametrize(
    ("changed", "packs"),
    [
        ({}, True),
        ({"capability": (7, 5)}, False),
        ({"cuda": None}, False),
        ({"dtype": torch.float32}, False),
        ({"device": torch.device("cpu")}, False),
        ({"heads": 10}, False),
    ],
)
def test_packing_needs_a_gpu_a_precision_and_heads_that_the_kernel_supports(
    monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], packs: bool
) -> None:
    sound = {"capability": (8, 0), "cuda": "13.0", "dtype": torch.float16, "heads": 16}
    case = SimpleNamespace(**{"device": torch.device("cuda", 0)} | sound | changed)
    monkeypatch.setattr(torch.version, "cuda", case.cuda)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: case.capability)
    config = XLMRobertaConfig(hidden_size=1_024, num_attention_heads=case.heads)
    model = SimpleNamespace(config=config, dtype=case.dtype, device=case.device)
    assert can_pack(model) == packs


def test_packed_batches_run_while_later_pairs_are_not_yet_encoded(
    tiny_of_512: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = packing(tiny_of_512, max_batch_tokens=200)
    events: list[str] = []
    encode = scorer._encoder.encode

    def noted(*pairs: Any) -> Any:
        events.append("encode")
        return encode(*pairs)

    monkeypatch.setattr(scorer._encoder, "encode", noted)
    scorer.model.get_input_embeddings().register_forward_pre_hook(lambda *_: events.append("run"))
    scorer.score([("tides", f"moon {number}") for number in range(8 * PAIRS_A_PACKED_WINDOW)])
    assert events.count("encode") == 8
    last_encoded = len(events) - events[::-1].index("encode")
    assert "run" in events[:last_encoded]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_out_of_memory_halves_the_batch_and_changes_no_score(
    scorer: TorchScorer, error: BaseException
) -> None:
    expected = scorer.score(PAIRS)
    passes = Passes(scorer)
    passes.error, passes.most_rows = error, 3
    assert scorer.score(PAIRS) == pytest.approx(expected, abs=1e-5)
    done = [rows for rows, _ in passes.shapes if rows <= 3]
    assert sum(done) == len(PAIRS)


def test_a_single_pair_that_does_not_fit_into_memory_is_our_error(scorer: TorchScorer) -> None:
    passes = Passes(scorer)
    passes.error, passes.most_rows = torch.OutOfMemoryError("CUDA out of memory."), 0
    with pytest.raises(
        OutOfMemoryError, match="a pair of .* tokens does not fit .* lower max_length"
    ):
        scorer.score(PAIRS)


def test_any_other_error_is_raised_at_once(scorer: TorchScorer) -> None:
    passes = Passes(scorer)
    passes.error, passes.most_rows = RuntimeError("shapes do not match"), 0
    with pytest.raises(ScoringError, match="shapes do not match") as caught:
        scorer.score(
            [PAIRS[0]] * 4
        )  # one batch, because further batches run until the error is read
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert len(passes.shapes) == 1


def test_truncated_pairs_are_a_warning_in_the_first_call_and_info_afterwards(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scorer = TorchScorer(ScorerConfig("mini", "torch", max_length=32))
    with caplog.at_level(logging.INFO, "bge_rerank"):
        for _ in range(3):
            scorer.score([("tides", "moon " * 1_100), ("tides", "moon " * 50), ("tides", "moon")])
    # Of 32 tokens, 3 are special and 1 is the query, which leaves 28 of each passage.
    [message] = {record.getMessage() for record in caplog.records}
    assert message.startswith(
        "2 pairs of 3 are longer than max_length=32, so 1,094 tokens were not read; "
    )
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "INFO"]


def test_the_warning_of_a_truncated_pair_counts_in_the_right_number(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scorer = TorchScorer(ScorerConfig("mini", "torch", max_length=32))
    scorer.score([("tides", "moon " * 29), ("tides", "moon"), ("tides", "moon")])
    [record] = caplog.records
    assert record.getMessage().startswith(
        "1 pair of 3 is longer than max_length=32, so 1 token was not read; "
    )


def test_without_logging_set_up_a_truncated_pair_is_one_line_on_stderr(
    preloaded_python: Path, tmp_path: Path
) -> None:
    code = (
        "from bge_rerank import load_scorer\n"
        "for _ in range(3): load_scorer('mini', max_length=32).score([('tides', 'moon ' * 100)])"
    )
    done = ran(preloaded_python, code, tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("1 pair of 1 is longer than max_length=32, so 72 tokens were not read")


def test_nothing_is_logged_if_no_pair_is_truncated(
    scorer: TorchScorer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "bge_rerank"):
        scorer.score(PAIRS)
    assert caplog.records == []


def test_weights_have_the_requested_precision_and_the_head_float32(
    scorer: TorchScorer,
) -> None:
    assert {weight.dtype for weight in scorer.model.parameters()} == {torch.float32}
    lower = TorchScorer(ScorerConfig("mini", "torch", dtype="bfloat16"))
    assert {weight.dtype for weight in lower.model.bert.encoder.parameters()} == {torch.bfloat16}
    assert {weight.dtype for weight in lower.model.classifier.parameters()} == {torch.float32}
    assert (scorer.precision, lower.precision) == ("float32", "bfloat16")


def test_a_bfloat16_score_hardly_depends_on_the_batch() -> None:
    lower = TorchScorer(ScorerConfig("mini", "torch", dtype="bfloat16"))
    alone = [lower.score([pair])[0] for pair in PAIRS]
    assert lower.score(PAIRS) == pytest.approx(alone, abs=0.06)


def test_it_computes_on_the_requested_number_of_threads() -> None:
    before = torch.get_num_threads()
    seen: list[int] = []
    try:
        scorer = TorchScorer(ScorerConfig("mini", "torch", threads=1))
        hook = lambda *_: seen.append(torch.get_num_threads())  # noqa: E731
        scorer.model.get_input_embeddings().register_forward_pre_hook(hook)
        scorer.score(PAIRS)
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_a_list_of_devices_must_name_one_or_more_each_once() -> None:
    with pytest.raises(ConfigurationError, match="device is .*each once"):
        TorchScorer(ScorerConfig("mini", "torch", device=("cpu", "cpu")))
    with pytest.raises(ConfigurationError, match="pass one or more"):
        TorchScorer(ScorerConfig("mini", "torch", device=()))


def test_lower_precision_keeps_scores_near_and_finite(scorer: TorchScorer) -> None:
    lower = TorchScorer(ScorerConfig("mini", "torch", dtype="bfloat16"))
    assert lower.score(PAIRS) == pytest.approx(scorer.score(PAIRS), abs=0.2)


def test_the_model_is_ready_for_inference(scorer: TorchScorer) -> None:
    assert not any(module.training for module in scorer.model.modules())


def test_an_embedder_is_refused_by_its_name_and_with_a_reranker_to_use(tiny_embedder: Path) -> None:
    message = "tiny-embedder.* has no trained classification head .*bge-reranker-v2-m3"
    with pytest.raises(UnsupportedModelError, match=message):
        TorchScorer(ScorerConfig(str(tiny_embedder), "torch"))


def test_a_classifier_with_several_labels_is_refused(tmp_path: Path) -> None:
    folder = make_tiny_reranker(tmp_path / "three", labels=3)
    with pytest.raises(UnsupportedModelError, match="has 3 labels"):
        TorchScorer(ScorerConfig(str(folder), "torch"))


def test_pickled_weights_are_not_loaded(tmp_path: Path) -> None:
    folder = make_tiny_reranker(tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelLoadError, match="safetensors"):
        TorchScorer(ScorerConfig(str(folder), "torch"))


def test_damaged_weights_are_our_error(tmp_path: Path) -> None:
    folder = make_tiny_reranker(tmp_path / "damaged")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelLoadError, match="damaged"):
        TorchScorer(ScorerConfig(str(folder), "torch"))


@pytest.mark.parametrize("device", ["cuda:77", "nonsense", "meta:x"])
def test_a_missing_device_is_refused(device: str) -> None:
    with pytest.raises(ConfigurationError, match=f"device is '{device}', which torch cannot use"):
        TorchScorer(ScorerConfig("mini", "torch", device=device))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dtype": "int8"}, "dtype is 'int8'"),
        ({"max_length": 513}, "allows 512 tokens at most"),
        ({"max_length": 10}, "no room for a passage"),
        ({"max_batch_tokens": 0}, "max_batch_tokens is 0"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_options_that_do_not_fit_the_model_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        TorchScorer(ScorerConfig("mini", "torch", **options))


@pytest.mark.parametrize("packs", [False, True])
def test_a_query_is_tokenised_once_in_a_call(monkeypatch: pytest.MonkeyPatch, packs: bool) -> None:
    scorer = packing(max_batch_tokens=200) if packs else TorchScorer(ScorerConfig("mini", "torch"))
    monkeypatch.setattr("bge_rerank.backends.encoder.scorer.PAIRS_A_WINDOW", 50)
    texts: list[str] = []
    tokenise = scorer._encoder._tokenise
    monkeypatch.setattr(
        scorer._encoder, "_tokenise", lambda batch: texts.extend(batch) or tokenise(batch)
    )
    count = 2 * PAIRS_A_PACKED_WINDOW
    scorer.score([("the query", f"moon {number}") for number in range(count)])
    assert texts.count("the query") == 1
    assert len(texts) == 1 + count


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_an_accelerator_in_a_forked_child_is_a_clear_error() -> None:
    scorer = TorchScorer(ScorerConfig("mini", "torch", dtype="float32"), blocks=False)
    device = torch.device("cuda")
    cuda = InHalves(TorchRunner(scorer.model, device, scorer.tokenizer, 512, packs=False), device)
    child = os.fork()
    if child == 0:
        try:
            cuda(scorer._encoder.encode(PAIRS[:1]))
        except ScoringError as error:
            os._exit(0 if "spawn" in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
