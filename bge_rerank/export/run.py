"""`export_model` writes a model's export to a folder after a check, or writes nothing."""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from bge_rerank.backends.encoder.pairs import PairEncoder
from bge_rerank.backends.encoder.scorer import EncoderScorer
from bge_rerank.errors import ConfigurationError, MissingDependencyError
from bge_rerank.export.check import Agreement, check_export
from bge_rerank.export.samples import sample_pairs
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import LoadOptions, ModelOptions, ScorerConfig
from bge_rerank.models.files import ModelConfig, model_folder, read_config
from bge_rerank.models.manifest import (
    GRAPH_FILE,
    GRAPH_FOLDER,
    Manifest,
    Precision,
    checksums,
    write_manifest,
)
from bge_rerank.models.registry import RUNTIMES, is_installed, scorer_class
from bge_rerank.types import Pair

if TYPE_CHECKING:
    from bge_rerank.backends.torch.scorer import TorchScorer

logger = logging.getLogger(__name__)

FILES_FOR_OTHERS = ("tokenizer_config.json", "special_tokens_map.json")
"""Files that other programs read beside an export. Ours does not need them."""
STAGED = ".export-"
"""The beginning of the name of a folder, beside the one to write, with an export that is not complete yet."""
READ, WRITE, QUANTISE = "reading the weights", "writing the graph", "quantising"
SAMPLE_PAIRS = 200
CHECKED_PAIRS = 48
CHECKED_BATCH_TOKENS = 4_096
"""Large enough that batches have rows of clearly different lengths."""


def export_model(
    model_name: str,
    folder: str | Path,
    precision: Precision = "fp32",
    *,
    samples: Sequence[Pair] | None = None,
    revision: str | None = ModelOptions.revision,
    cache_dir: str | None = LoadOptions.cache_dir,
    local_files_only: bool = LoadOptions.local_files_only,
    on_step: Callable[[str], object] = str,
) -> Agreement:
    """Export an encoder reranker to a folder that the `onnx` and `openvino` backends read.

    The export is compared with torch before it is written. If it fails this check, nothing is written.

    Args:
        model_name: A hub repository, a local folder, or `"mini"`.
        folder: The folder to write. It must be new or empty.
        precision: `"fp32"`; `"bf16"`, which OpenVINO computes in bfloat16; or `"int8"`.
        samples: For `"int8"`: a few hundred (query, passage) pairs like yours. With `None`, pairs of the demo
            collection are used.
        revision: A branch, tag or commit of the hub repository.
        cache_dir: The folder for files from the hub.
        local_files_only: Never ask the hub.
        on_step: A function that is called with each of `steps_of`, before the step, and with `"quantising"` again
            after each sample.

    Returns:
        How closely the export agrees with the model in torch float32.

    Raises:
        ConfigurationError: The folder is not empty, or the precision is unknown.
        ModelLoadError: The model could not be found or read, or has another architecture.
        ExportError: The export failed the check. Nothing was written.
        MissingDependencyError: A package is not installed.
    """
    named = ScorerConfig(
        model_name, revision=revision, cache_dir=cache_dir, local_files_only=local_files_only
    )
    return export_named(named, folder, precision, samples=samples, on_step=on_step)


def export_named(
    named: ScorerConfig,
    folder: str | Path,
    precision: Precision,
    *,
    samples: Sequence[Pair] | None = None,
    on_step: Callable[[str], object] = str,
) -> Agreement:
    """Export the model that a configuration names, as `export_model` does.

    Of the configuration, only the name, the revision and the options for the hub count.
    """
    target = Path(folder).expanduser()
    _check_arguments(target, precision)
    config = ScorerConfig(
        named.model_name,
        "torch",
        revision=named.revision,
        cache_dir=named.cache_dir,
        local_files_only=named.local_files_only,
        device="cpu",
        dtype="float32",
        special_tokens_in_text="keep",  # "escape" would change the tokenizer that is written
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=STAGED, dir=target.parent) as made:
        staged = Path(made) / "model"
        agreement = _export(config, staged, precision, samples, on_step)
        if target.exists():
            target.rmdir()
        staged.rename(target)
    return agreement


def steps_of(precision: Precision) -> list[str]:
    """Return what an export does, in order.

    >>> steps_of("int8")[:3]
    ['reading the weights', 'quantising', 'writing the graph']
    """
    checks = [f"checking in {name}" for name in _runtimes()]
    return [READ, *([QUANTISE] if precision == "int8" else []), WRITE, *checks]


def _runtimes() -> list[str]:
    return [name for name in RUNTIMES if is_installed(name)]


def _check_arguments(target: Path, precision: str) -> None:
    if precision not in get_args(Precision):
        raise ConfigurationError(
            f"precision is {precision!r}; choose one of {', '.join(get_args(Precision))}"
        )
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ConfigurationError(f"{str(target)!r} is not an empty folder; name a new one")


def _export(
    config: ScorerConfig,
    staged: Path,
    precision: Precision,
    samples: Sequence[Pair] | None,
    on_step: Callable[[str], object],
) -> Agreement:
    model = read_config(config)
    quantised = list(samples or sample_pairs(SAMPLE_PAIRS)) if precision == "int8" else []
    checked, expected = _write(config, model, staged, quantised, on_step)
    _write_manifest(config, model, staged / GRAPH_FOLDER, precision)
    return _check(staged, checked, expected, precision, on_step)


def _write(
    config: ScorerConfig,
    model: ModelConfig,
    staged: Path,
    quantised: Sequence[Pair],
    on_step: Callable[[str], object],
) -> tuple[Sequence[Pair], Sequence[float]]:
    """Write the graph and the tokenizer, and return pairs for the check with the model's own logits.

    The model's weights leave memory at the end.
    """
    with needs_extra("export", "exporting a model"):
        import onnxscript  # noqa: F401 - torch's exporter needs it, but its own error is less clear

        from bge_rerank.backends.torch.scorer import TorchScorer
        from bge_rerank.export.graph import check_architecture, export_graph
    on_step(READ)
    scorer = TorchScorer(config, blocks=False)  # the weights are read below
    check_architecture(scorer.model)
    checked = _within(scorer, sample_pairs(CHECKED_PAIRS))
    expected = scorer.score(checked)
    if quantised:
        on_step(QUANTISE)
    classifier = _rewritten(scorer, quantised, lambda: on_step(QUANTISE))
    on_step(WRITE)
    graph = staged / GRAPH_FOLDER / GRAPH_FILE
    graph.parent.mkdir(parents=True)
    (staged / "config.json").write_text(json.dumps(model.contents, indent=2), encoding="utf-8")
    scorer.tokenizer.backend_tokenizer.save(str(staged / "tokenizer.json"))
    for path in map(model_folder(config).joinpath, FILES_FOR_OTHERS):
        if path.is_file():
            shutil.copyfile(path, staged / path.name)
    takes_type_ids = "token_type_ids" in scorer.tokenizer.model_input_names
    export_graph(classifier, graph, positions=model.positions, takes_type_ids=takes_type_ids)
    return checked, expected


def _rewritten(
    scorer: TorchScorer, quantised: Sequence[Pair], on_sample: Callable[[], object]
) -> Any:
    """Return the classifier in the form that is exported: prepared for 8 bits, if there are samples for them."""
    from bge_rerank.export.activations import observe
    from bge_rerank.export.bfloat16 import with_logit_as_sum, with_norms_folded
    from bge_rerank.export.eight_bits import with_words_in_half
    from bge_rerank.export.outliers import with_outliers_apart
    from bge_rerank.export.scaling import with_products_scaled

    classifier = with_norms_folded(scorer.model)
    if not quantised:
        return with_logit_as_sum(classifier)
    encoder = PairEncoder(scorer.tokenizer.backend_tokenizer, scorer.max_length, "keep")
    inputs, of_last = observe(classifier, encoder.encode(quantised), on_sample)
    classifier = with_outliers_apart(classifier, inputs)
    return with_words_in_half(with_products_scaled(classifier, inputs, of_last))


def _write_manifest(
    config: ScorerConfig, model: ModelConfig, folder: Path, precision: Precision
) -> None:
    manifest = Manifest(
        source_model=config.model_name,
        revision=config.revision,
        precision=precision,
        max_length=model.positions,
        sha256=checksums(folder.parent),
    )
    write_manifest(manifest, folder)


def _check(
    staged: Path,
    pairs: Sequence[Pair],
    expected: Sequence[float],
    precision: Precision,
    on_step: Callable[[str], object],
) -> Agreement:
    """Check the export in every installed runtime, and return the largest differences."""
    if not _runtimes():
        raise MissingDependencyError(
            "no runtime is installed to check the export; pip install 'bge-rerank[export]'"
        )
    agreements = []
    for name in _runtimes():
        on_step(f"checking in {name}")
        config = ScorerConfig(str(staged), name, max_batch_tokens=CHECKED_BATCH_TOKENS)
        agreements.append(check_export(scorer_class(name)(config), expected, pairs, precision))
        logger.info("%s export in %s: %s", precision, name, agreements[-1])
    return Agreement(
        difference=max(agreement.difference for agreement in agreements),
        batch=max(agreement.batch for agreement in agreements),
        spread=agreements[0].spread,
    )


def _within(scorer: EncoderScorer, pairs: Sequence[Pair]) -> list[Pair]:
    """Cut each passage to what the model reads, so that no warning about truncation follows."""
    windows = [scorer.windows(query, [text], scorer.max_length)[0][0] for query, text in pairs]
    return [
        (query, text[slice(*window)]) for (query, text), window in zip(pairs, windows, strict=True)
    ]
