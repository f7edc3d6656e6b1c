"""Find a model's files, and read its `config.json`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bge_rerank.errors import (
    ConfigurationError,
    MissingDependencyError,
    ModelLoadError,
    RerankError,
    UnsupportedModelError,
)
from bge_rerank.extras import needs_extra
from bge_rerank.inputs import shown_value
from bge_rerank.models.config import ScorerConfig

Architecture = Literal["encoder", "decoder", "layerwise", "lightweight"]
"""The kinds of BGE rerankers. All except encoders are LLM-based."""

BGE_ENCODERS = ("bert", "roberta", "xlm-roberta")
"""The model types of BGE's encoders."""
BGE_DECODERS = ("gemma",)
"""The model type of bge-reranker-v2-gemma."""

RECOMMENDED_MAX_LENGTH = 1024
"""BAAI's recommendation for v2-m3 and the LLM-based rerankers. Shorter models use their full length."""

WEIGHT_FILES = ("*.json", "*.safetensors", "*.model", "*.txt")
"""The files that transformers needs, with weights only as safetensors."""
MODULE_FILES = (*WEIGHT_FILES, "*.jinja")
"""The files that sentence-transformers needs, in the model's folder and in the folders of its modules."""
M3_FILES = ("sparse_linear.pt", "colbert_linear.pt", "pytorch_model.bin")
"""Further files of BGE-M3 for its lexical weights. They are pickles, and are read without running code in them."""
GRAPH_FILES = (
    "config.json",
    "tokenizer.json",
    "onnx/model.onnx",
    "onnx/model.onnx*data",
    "onnx/bge_rerank.json",
)
"""The files of a model that `bge-rerank export` exported."""

HUB_SECONDS = 10.0
"""How long to wait for the hub's list of files. `huggingface_hub` waits as long for other requests."""

LARGEST_NUMBER = 2**31
"""The limit of numbers in a config, because the runtimes count tokens and token ids in 32 bits."""
_CONFIG_TYPES = {
    "architectures": list,
    "auto_map": dict,
    "max_position_embeddings": int,
    "model_type": str,
    "num_hidden_layers": int,
    "pad_token_id": int,
}

_HUB_NAME = re.compile(r"[\w-][\w.-]*(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A model's parsed `config.json`."""

    contents: dict[str, Any]

    @property
    def architecture(self) -> Architecture:
        """The kind of reranker, by the class names of BAAI's code.

        Whether an encoder has a trained head is known when its weights are loaded.
        """
        classes: dict[str, object] = self.contents.get("auto_map") or {}
        names = " ".join(map(str, [*(self.contents.get("architectures") or []), *classes.values()]))
        if "LayerWise" in names:
            return "layerwise"
        if "CostWise" in names:
            return "lightweight"
        if "CausalLM" in names:
            return "decoder"
        return "encoder"

    @property
    def is_baais(self) -> bool:
        """Whether a model of BAAI has this shape: one of its encoders, or of its language models.

        A config tells the shape and not the maker. Other language models have another prompt and
        another answer token, so they must not be taken for BAAI's.
        """
        kind = self.contents.get("model_type")
        if self.architecture == "decoder":
            return kind in BGE_DECODERS
        return self.architecture != "encoder" or kind is None or kind in BGE_ENCODERS

    @property
    def is_language_model(self) -> bool:
        """Whether it is a language model, also one with a classification head.

        Language models normalise by root mean square and encoders do not. As rerankers they read a pair
        through a template, without which their scores are almost random.
        """
        text_config = self.contents.get("text_config")
        return "rms_norm_eps" in self.contents or (
            isinstance(text_config, dict) and "rms_norm_eps" in text_config
        )

    def check_needs_no_template(self, config: ScorerConfig) -> None:
        """Refuse a language model with a classification head, for backends that read no template.

        Raises:
            UnsupportedModelError: The model's scores would mean nothing.
        """
        if self.architecture == "encoder" and self.is_language_model:
            raise UnsupportedModelError(
                f"{config.model_name!r} is a language model, which backend {config.backend!r} would read without its "
                "template; use backend='sentence-transformers'"
            )

    @property
    def positions(self) -> int:
        """The longest sequence in tokens that the position embeddings allow.

        RoBERTa models count positions from `pad_token_id + 1` (`create_position_ids_from_input_ids` in
        transformers), so they never use the embeddings before it.
        """
        embeddings = int(self.contents.get("max_position_embeddings") or RECOMMENDED_MAX_LENGTH)
        if "roberta" not in str(self.contents.get("model_type")):
            return embeddings
        return embeddings - int(self.contents.get("pad_token_id") or 0) - 1


def choose_max_length(config: ScorerConfig, model: ModelConfig) -> int:
    """Return the longest pair in tokens: the option `max_length`, or BAAI's recommendation.

    Raises:
        ConfigurationError: `max_length` is longer than the model allows.
    """
    return max_length_within(config, model.positions) or min(
        model.positions, RECOMMENDED_MAX_LENGTH
    )


def max_length_within(config: ScorerConfig, most: int) -> int | None:
    """Return the option `max_length`, after a check that the model allows it.

    Raises:
        ConfigurationError: `max_length` is longer than `most` tokens.
    """
    if config.max_length is not None and config.max_length > most:
        raise ConfigurationError(
            f"max_length is {config.max_length}, and {config.model_name!r} allows {most} tokens at "
            f"most; pass 1 to {most}"
        )
    return config.max_length


def read_config(config: ScorerConfig) -> ModelConfig:
    """Find a model by its name and read its `config.json`, from the hub if no such folder exists.

    Raises:
        ModelLoadError: No folder and no hub repository has that name, or the hub cannot be reached.
        MissingDependencyError: The name is `"mini"`, and bge-rerank-mini is not installed.
    """
    path = model_folder(config, ["config.json"]) / "config.json"
    try:
        model = ModelConfig(json.loads(path.read_text(encoding="utf-8")))
        _check_config(model)
    except (OSError, ValueError, RecursionError) as error:
        raise ModelLoadError(
            f"cannot read {str(path)!r} ({error}); pass a folder with a model in the layout of transformers"
        ) from error
    return model


def _check_config(model: ModelConfig) -> None:
    """Refuse a config with wrong fields.

    Raises:
        ValueError: A field has the wrong type, or an impossible number.
    """
    if not isinstance(model.contents, dict):
        raise ValueError("it is not a JSON object")  # noqa: TRY004 - the file is wrong, not the call
    for name, kind in _CONFIG_TYPES.items():
        value = model.contents.get(name)
        if value is not None and not isinstance(value, kind):
            raise ValueError(f"{name} is {shown_value(value)}")
        if isinstance(value, int) and not 0 <= value < LARGEST_NUMBER:
            raise ValueError(f"{name} is {shown_value(value)}")
    roberta = "roberta" in str(model.contents.get("model_type"))
    if roberta and model.contents.get("pad_token_id", 1) is None:
        raise ValueError("pad_token_id is null, but this architecture counts positions from it")
    if model.contents.get("num_hidden_layers", 1) == 0:
        raise ValueError("it has no layers")
    if model.positions < 1:
        raise ValueError(f"max_position_embeddings leaves {model.positions} positions for tokens")


def model_folder(config: ScorerConfig, files: Sequence[str] = WEIGHT_FILES) -> Path:
    """Return the folder of a model's files, downloaded from the hub if no such folder exists.

    Args:
        config: Names the model, and how to reach the hub.
        files: Patterns of the files to download. Code is downloaded only with `trust_remote_code`.

    Raises:
        ModelLoadError: No folder and no hub repository has that name, or the hub cannot be reached.
        MissingDependencyError: The name is `"mini"`, and bge-rerank-mini is not installed.
    """
    return local_folder(config.model_name) or _from_hub(config, files)


def file_names(config: ScorerConfig) -> set[str]:
    """Return the paths of a model's files from its folder, without downloading them.

    Files deeper than one folder are left out. If the hub cannot be asked, the files in its cache count.

    Raises:
        ModelLoadError: As `model_folder`.
    """
    folder = model_folder(config, ["config.json"])
    if local_folder(config.model_name) is None and not config.local_files_only:
        from huggingface_hub import HfApi

        with suppress(ModelLoadError), loading_errors(config.model_name):
            listed = HfApi().model_info(
                config.model_name, revision=folder.name, timeout=HUB_SECONDS
            )
            return {file.rfilename for file in listed.siblings or []}
    found = [path for pattern in ("*", "*/*") for path in folder.glob(pattern)]
    return {path.relative_to(folder).as_posix() for path in found if path.is_file()}


def safetensors_folder(config: ScorerConfig, files: Sequence[str] = WEIGHT_FILES) -> Path:
    """Return the folder of a model's files, as `model_folder` does, with weights as safetensors.

    Raises:
        ModelLoadError: As `model_folder`, or the folder has no safetensors.
    """
    folder = model_folder(config, files)
    if not any(folder.glob("*.safetensors")):
        raise ModelLoadError(
            f"{str(folder)!r} has no *.safetensors, and pickled weights are not loaded; pass a model with safetensors"
        )
    return folder


@contextmanager
def loading_errors(model_name: str) -> Iterator[None]:
    """Turn errors of the libraries that load a model into a `ModelLoadError` of one line.

    Every exception counts as a fault of the files, because damaged files can raise any exception.
    """
    from huggingface_hub import errors as hub

    try:
        yield
    except RerankError:
        raise
    except hub.GatedRepoError as error:
        raise ModelLoadError(
            f"access to {model_name!r} is restricted; log in with `hf auth login`"
        ) from error
    except (hub.RepositoryNotFoundError, hub.HFValidationError) as error:
        raise ModelLoadError(
            f"no folder and no hub repository is named {model_name!r}; check the name, or log in with "
            "`hf auth login` if the repository is private"
        ) from error
    except hub.RevisionNotFoundError as error:
        raise ModelLoadError(
            f"{model_name!r} does not have the revision asked for; check `revision`"
        ) from error
    except hub.LocalEntryNotFoundError as error:
        raise ModelLoadError(
            f"{model_name!r} is not in the local cache, and the hub was not reached; go online once, "
            "or pass a local folder or model_name='mini' (pip install bge-rerank-mini)"
        ) from error
    except Exception as error:
        raise ModelLoadError(
            f"cannot load {model_name!r}: {_beginning(error)}{_damaged_file(model_name)}"
        ) from error


def _beginning(error: Exception) -> str:
    """Return an error's first line, with the second line if the first ends with a colon."""
    first, *others = (str(error).strip() or type(error).__name__).splitlines()
    line = f"{first} {others[0].strip()}" if others and first.endswith(":") else first
    return (
        line
        if isinstance(error, OSError | ValueError | RuntimeError)
        else f"{type(error).__name__}: {line}"
    )


def _damaged_file(model_name: str) -> str:
    """Name a JSON file of a local folder that cannot be parsed; the libraries' errors do not name it."""
    for path in sorted(Path(model_name).expanduser().glob("*.json")):
        try:
            json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return f" ({path.name} is not valid JSON)"
    return ""


def local_folder(model_name: str) -> Path | None:
    """Return the folder that a model's name means; `None` for a repository of the hub.

    Raises:
        ModelLoadError: The name is a path, and there is no such folder.
        MissingDependencyError: The name is `"mini"`, and bge-rerank-mini is not installed.
    """
    if model_name == "mini":
        return _mini()
    folder = Path(model_name).expanduser()
    if folder.is_dir():
        return folder
    if not _HUB_NAME.fullmatch(model_name):
        raise ModelLoadError(f"the folder {model_name!r} does not exist; check the path")
    return None


def _mini() -> Path:
    try:
        import bge_rerank_mini
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "the model 'mini' is in a package that is not installed; pip install bge-rerank-mini "
            "(for a folder of that name, pass './mini')"
        ) from error
    return bge_rerank_mini.path()


def _from_hub(config: ScorerConfig, files: Sequence[str]) -> Path:
    """Download files of a repository, and return their folder in the hub's cache."""
    with needs_extra("torch", "loading a model"):
        from huggingface_hub import snapshot_download

    code = ["*.py"] if config.trust_remote_code else []
    with loading_errors(config.model_name):
        return Path(
            snapshot_download(
                config.model_name,
                revision=config.revision,
                cache_dir=config.cache_dir,
                local_files_only=config.local_files_only,
                allow_patterns=[*files, *code],
            )
        )
