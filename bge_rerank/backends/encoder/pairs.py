"""From pairs of strings to the token ids of one sequence each, cut as FlagEmbedding cuts them.

The rule (FlagEmbedding 1.4, `BaseReranker.compute_score_single_gpu`): the query keeps at most three
quarters of `max_length`, then the passage keeps what is left. FlagEmbedding on transformers 5
decodes the cut ids and encodes the text again, which changes tokens after an unknown character and
encodes the query alone where the passage is empty; here the ids stay as they are, as they did with
transformers 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bge_rerank.backends.forks import ForkableLock
from bge_rerank.backends.stopping import stop_if_told
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.config import LoadOptions, SpecialTokensInText
from bge_rerank.types import Pair, Span
from bge_rerank.windows import fitting_windows

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ids = npt.NDArray[np.int32]
TypeIds = npt.NDArray[np.int8]

TEXTS_A_BATCH = 512
"""Texts tokenised at a time: bounds the tokenizer's own memory, which is far above that of the ids."""
LONG_TEXTS_A_BATCH = 16
"""The same where they are long, and places of tokens are asked for."""
CHARACTERS_A_BATCH = 100_000
"""Characters tokenised at a time, unless one text has more: some 50 ms, after which another call has its turn."""


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """One sequence for the model, in five bytes a token: ten thousand long passages are few megabytes.

    Attributes:
        ids: Token ids, special tokens included.
        type_ids: 0 or 1 for each id: its segment, for models that take `token_type_ids`.
        cut: How many tokens of query and passage were left out to keep within `max_length`.
    """

    ids: Ids
    type_ids: TypeIds
    cut: int


@dataclass(frozen=True, slots=True)
class PairTemplate:
    """How a tokenizer joins two sequences: the special tokens before, between and after them.

    Attributes:
        ids: The special tokens' ids, in the three places.
        type_ids: Their segments, likewise.
        segments: The segment of the first sequence's tokens, and of the second's.
    """

    ids: tuple[Ids, Ids, Ids]
    type_ids: tuple[TypeIds, TypeIds, TypeIds]
    segments: tuple[int, int]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> PairTemplate:
        """Read the template off a pair that the tokenizer joins itself."""
        encoding = tokenizer.encode("a", "b")
        places = encoding.sequence_ids
        first, second = places.index(0), places.index(1)
        first_end, second_end = first + places.count(0), second + places.count(1)
        before, between, after = slice(first), slice(first_end, second), slice(second_end, None)
        ids, type_ids = np.array(encoding.ids, np.int32), np.array(encoding.type_ids, np.int8)
        return cls(
            ids=(ids[before], ids[between], ids[after]),
            type_ids=(type_ids[before], type_ids[between], type_ids[after]),
            segments=(encoding.type_ids[first], encoding.type_ids[second]),
        )

    @property
    def special_tokens(self) -> int:
        """How many special tokens a pair has."""
        return sum(map(len, self.ids))

    def join(self, query: Ids, passage: Ids) -> tuple[Ids, TypeIds]:
        """Return the ids and the type ids of the whole sequence."""
        before, between, after = self.ids
        type_before, type_between, type_after = self.type_ids
        query_types, passage_types = (
            np.full(len(part), segment, np.int8)
            for segment, part in zip(self.segments, (query, passage), strict=True)
        )
        return (
            np.concatenate((before, query, between, passage, after)),
            np.concatenate((type_before, query_types, type_between, passage_types, type_after)),
        )


class PairEncoder:
    """Encode (query, passage) pairs with a fast tokenizer; each query of a call is tokenised once.

    Safe to share between threads: calls take turns at the tokenizer.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        special_tokens_in_text: SpecialTokensInText = LoadOptions.special_tokens_in_text,
    ) -> None:
        """Take a tokenizer over: its own truncation and padding are switched off.

        Args:
            tokenizer: From the `tokenizers` library; a saved file may carry a truncation of its
                own, which would cut silently.
            max_length: The longest sequence in tokens, special tokens included.
            special_tokens_in_text: `"escape"` reads a special token's name in a text as text.

        Raises:
            ConfigurationError: `max_length` leaves no room for a passage.
        """
        tokenizer.no_truncation()
        tokenizer.no_padding()
        if special_tokens_in_text == "escape":
            _escape_special_tokens(tokenizer)
        self._tokenizer = tokenizer
        self._template = PairTemplate.of(tokenizer)
        self._lock = ForkableLock()
        self.max_length = max_length
        self._query_max_length = max_length * 3 // 4
        if max_length - self._query_max_length <= self._template.special_tokens:
            raise ConfigurationError(
                f"max_length is {max_length}; that leaves no room for a passage"
            )

    def encode(
        self, pairs: Sequence[Pair], known: Mapping[str, Ids] | None = None
    ) -> list[EncodedPair]:
        """Encode each pair, in input order, to at most `max_length` tokens.

        Args:
            pairs: What is encoded.
            known: The ids of queries that need not be tokenised again, from `query_ids`.
        """
        query_ids = self.query_ids(pairs, known)
        passage_ids = self._tokenise([passage for _, passage in pairs])
        return [
            self._pair(query_ids[query], ids)
            for (query, _), ids in zip(pairs, passage_ids, strict=True)
        ]

    def query_ids(
        self, pairs: Sequence[Pair], known: Mapping[str, Ids] | None = None
    ) -> dict[str, Ids]:
        """Return the ids of each query of some pairs, those that are not known tokenised."""
        queries = dict.fromkeys(query for query, _ in pairs)
        found = {query: ids for query, ids in (known or {}).items() if query in queries}
        new = [query for query in queries if query not in found]
        return found | dict(zip(new, self._tokenise(new), strict=True))

    def windows(self, query: str, texts: Sequence[str], tokens: int) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query."""
        return fitting_windows(query, texts, self._offsets, min(tokens, self.max_length))

    def _offsets(self, texts: Sequence[str]) -> list[list[Span]]:
        offsets: list[list[Span]] = []
        for batch in _batches(texts, LONG_TEXTS_A_BATCH):
            with self._lock:
                encodings = self._tokenizer.encode_batch(batch, add_special_tokens=False)
            offsets.extend(encoding.offsets for encoding in encodings)
        return offsets

    def _tokenise(self, texts: Sequence[str]) -> list[Ids]:
        ids: list[Ids] = []
        for batch in _batches(texts, TEXTS_A_BATCH):
            with self._lock:
                encodings = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            ids.extend(np.array(encoding.ids, np.int32) for encoding in encodings)
        return ids

    def _pair(self, query: Ids, passage: Ids) -> EncodedPair:
        kept_query = query[: self._query_max_length]
        room = self.max_length - self._template.special_tokens - len(kept_query)
        kept_passage = passage[:room]
        ids, type_ids = self._template.join(kept_query, kept_passage)
        cut = len(query) - len(kept_query) + len(passage) - len(kept_passage)
        return EncodedPair(ids, type_ids, cut)


def _escape_special_tokens(tokenizer: Tokenizer) -> None:
    """Let a tokenizer read the names of its special tokens as text, their places unchanged.

    A Unigram vocabulary holds some of these names as pieces, so each is taken apart after all else
    that the tokenizer does to a text: `</s>` is read as `< /s>`.
    """
    from tokenizers import normalizers

    tokenizer.encode_special_tokens = True
    names = [
        token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special
    ]
    apart = [normalizers.Replace(name, f"{name[0]} {name[1:]}") for name in names if len(name) > 1]
    given = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([*given, *apart])


def _batches(texts: Sequence[str], most: int) -> Iterator[list[str]]:
    """Yield at most so many texts at a time, of at most `CHARACTERS_A_BATCH` characters or a single text.

    Raises:
        ScoringError: Nobody waits for them any more.
    """
    batch: list[str] = []
    characters = 0
    for text in texts:
        if batch and (len(batch) == most or characters + len(text) > CHARACTERS_A_BATCH):
            yield batch
            batch, characters = [], 0
        stop_if_told()
        batch.append(text)
        characters += len(text)
    if batch:
        yield batch
