"""From pairs of strings to token ids, by a `CrossEncoder`'s own template, prompt and truncation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bge_rerank.backends.encoder.pairs import (
    LONG_TEXTS_A_BATCH,
    TEXTS_A_BATCH,
    EncodedPair,
    Ids,
    small_batches,
)
from bge_rerank.backends.forks import ForkableLock
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.config import ScorerConfig
from bge_rerank.types import Pair, Span
from bge_rerank.windows import SPECIAL_TOKENS, fitting_windows


class CrossEncoderPairs:
    """Encode pairs as `CrossEncoder.predict` does.

    Safe to share between threads: calls take turns at the tokenizer.

    Attributes:
        max_length: The longest sequence in tokens, template and special tokens included.
        features: What the model takes besides a batch's ids.
    """

    def __init__(self, model: Any, max_length: int, config: ScorerConfig) -> None:
        """Take a model whose tokenizer is loaded.

        Raises:
            ConfigurationError: `max_length` leaves no room for a passage beside the template.
        """
        self._model = model
        self._tokenizer = model.tokenizer
        default = model.prompts.get(model.default_prompt_name)
        self._prompt = default if config.prompt is None else config.prompt
        self._lock = ForkableLock()
        self.max_length = max_length
        names = sorted({*self._tokenizer.all_special_tokens, *_added(self._tokenizer)}, key=len)
        names = [name for name in names if len(name) > 1]
        escapes = config.special_tokens_in_text == "escape" and names
        self._special = re.compile("|".join(map(re.escape, reversed(names)))) if escapes else None
        [template] = self._rows([("", "")], truncation=False)["input_ids"]
        self._template_tokens = len(template)
        if max_length <= self._template_tokens + 1:
            raise ConfigurationError(
                f"max_length is {max_length}; the model's template takes {self._template_tokens} tokens, "
                "which leaves no room for a query and a passage"
            )
        known = ("input_ids", "attention_mask", "token_type_ids", "prompt_length")
        rows = self._rows([("a", "b")])
        self.features = {name: value for name, value in rows.items() if name not in known}

    def encode(
        self, pairs: Sequence[Pair], known: Mapping[str, Ids] | None = None
    ) -> list[EncodedPair]:
        """Encode each pair, in input order, to at most `max_length` tokens."""
        del known  # a template may put the query anywhere, so a pair is encoded as a whole
        batches = small_batches(pairs, TEXTS_A_BATCH, lambda pair: sum(map(len, pair)))
        return [pair for batch in batches for pair in self._encode(batch)]

    def _encode(self, pairs: Sequence[Pair]) -> list[EncodedPair]:
        read = [(self._read(query), self._read(passage)) for query, passage in pairs]
        rows = self._rows(read)
        ids = rows["input_ids"]
        full = [number for number, row in enumerate(ids) if len(row) >= self.max_length]
        cut = [0] * len(ids)
        if full:
            whole = self._rows([read[number] for number in full], truncation=False)["input_ids"]
            for number, row in zip(full, whole, strict=True):
                cut[number] = len(row) - len(ids[number])
        types = rows.get("token_type_ids") or [np.zeros(len(row)) for row in ids]
        return [
            EncodedPair(np.array(row, np.int32), np.array(segments, np.int8), tokens)
            for row, segments, tokens in zip(ids, types, cut, strict=True)
        ]

    def query_ids(
        self, pairs: Sequence[Pair], known: Mapping[str, Ids] | None = None
    ) -> dict[str, Ids]:
        """Return nothing: a query is encoded with each of its passages."""
        del pairs, known
        return {}

    def windows(self, query: str, texts: Sequence[str], tokens: int) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query."""
        room = min(tokens, self.max_length) - max(self._template_tokens - SPECIAL_TOKENS // 2, 0)
        return fitting_windows(query, texts, self._offsets, room)

    def _offsets(self, texts: Sequence[str]) -> list[list[Span]]:
        offsets: list[list[Span]] = []
        for batch in small_batches(texts, LONG_TEXTS_A_BATCH, len):
            with self._lock:
                encoded = self._tokenizer(
                    batch,
                    add_special_tokens=False,
                    return_offsets_mapping=True,
                    truncation=False,
                    verbose=False,
                )
            offsets.extend(
                [(start, end) for start, end in row] for row in encoded["offset_mapping"]
            )
        return offsets

    def _rows(self, pairs: Sequence[Pair], *, truncation: bool = True) -> dict[str, Any]:
        text: dict[str, Any] = {"padding": False, "verbose": False}
        text |= {"max_length": self.max_length} if truncation else {"truncation": False}
        with self._lock:
            rows: dict[str, Any] = self._model.preprocess(
                list(pairs),
                prompt=self._prompt,
                processing_kwargs={"common": {"return_tensors": None}, "text": text},
            )
        return rows

    def _read(self, text: str) -> str:
        """Return a text in which the names of special tokens are text."""
        if self._special is None:
            return text
        return self._special.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)


def _added(tokenizer: Any) -> list[str]:
    return [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
