"""Turn pairs of strings into token ids, truncated as FlagEmbedding truncates them.

The rule (FlagEmbedding 1.4, `BaseReranker.compute_score_single_gpu`): the query keeps at most three quarters of
`max_length`, and the passage keeps the rest. With transformers 5, FlagEmbedding decodes the truncated ids and encodes
the text again. That changes tokens after an unknown character, and encodes only the query if the passage is empty.
This code keeps the ids, as FlagEmbedding does with transformers 4.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from bge_rerank.backends.encoder.tokens import Tokens
from bge_rerank.backends.forks import ForkableLock
from bge_rerank.backends.stopping import stop_if_told
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.config import LoadOptions, ScorerConfig, SpecialTokensInText
from bge_rerank.types import Pair, Span
from bge_rerank.windows import fitting_windows

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Ids = npt.NDArray[np.int32]
TypeIds = npt.NDArray[np.int8]
Item = TypeVar("Item")

TEXTS_A_BATCH = 512
"""The most texts tokenised at once. It limits the tokenizer's memory, which is far larger than the ids."""
LONG_TEXTS_A_BATCH = 16
"""The most texts tokenised at once if the spans of tokens are wanted, because such texts are long."""
CHARACTERS_A_BATCH = 100_000
"""The most characters tokenised at once, unless one text has more: about 50 ms, after which other calls can run."""


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """A sequence for the model. A token takes five bytes, so ten thousand long passages take few megabytes.

    Attributes:
        ids: Token ids, including special tokens.
        type_ids: The segment of each id, 0 or 1, for models that take `token_type_ids`.
        cut: The number of tokens of query and passage that were truncated.
    """

    ids: Ids
    type_ids: TypeIds
    cut: int


@dataclass(frozen=True, slots=True)
class PairTemplate:
    """The special tokens that a tokenizer puts before, between and after two sequences.

    Attributes:
        ids: The ids of the special tokens before, between and after the sequences.
        type_ids: The segments of these special tokens.
        segments: The segment of the first sequence's tokens, and of the second's.
    """

    ids: tuple[Ids, Ids, Ids]
    type_ids: tuple[TypeIds, TypeIds, TypeIds]
    segments: tuple[int, int]

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> PairTemplate:
        """Return the template of a tokenizer, from a pair that it joins itself."""
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
        """The number of special tokens of a pair."""
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
    """An encoder of pairs with a fast tokenizer. It tokenises each query of a call once.

    Threads can share it; their calls take turns at the tokenizer.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        max_length: int,
        special_tokens_in_text: SpecialTokensInText = LoadOptions.special_tokens_in_text,
    ) -> None:
        """Take over a tokenizer, and switch off its truncation and padding.

        Args:
            tokenizer: A tokenizer of the `tokenizers` library. Its saved file may contain a truncation,
                which would be silent.
            max_length: The longest pair in tokens, including special tokens.
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
                f"max_length is {max_length}, which leaves no room for a passage; pass a larger one"
            )

    @classmethod
    def of(cls, config: ScorerConfig, tokenizer: Tokenizer, max_length: int) -> PairEncoder:
        """Make an encoder that reads special tokens in texts as a configuration says.

        Raises:
            ConfigurationError: `max_length` leaves no room for a passage.
        """
        return cls(tokenizer, max_length, config.special_tokens_in_text)

    def encode(
        self, pairs: Sequence[Pair], known: Mapping[str, Ids] | None = None
    ) -> list[EncodedPair]:
        """Encode each pair, in input order, to at most `max_length` tokens.

        Args:
            pairs: The pairs to encode.
            known: The ids of queries that are tokenised already, from `query_ids`.
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
        """Return the ids of each query. Queries that are not in `known` are tokenised."""
        queries = dict.fromkeys(query for query, _ in pairs)
        found = {query: ids for query, ids in (known or {}).items() if query in queries}
        new = [query for query in queries if query not in found]
        return found | dict(zip(new, self._tokenise(new), strict=True))

    def windows(self, query: str, texts: Sequence[str], tokens: int) -> list[list[Span]]:
        """Cut each text into windows that make pairs of at most `tokens` tokens with the query."""
        return fitting_windows(query, texts, self._offsets, min(tokens, self.max_length))

    def tokens_of(self, texts: Sequence[str], *, special: bool) -> list[Tokens]:
        """Return the tokens of each text, with special tokens around them if `special`."""
        return [Tokens.of(encoding) for encoding in self._encodings(texts, special=special)]

    def _offsets(self, texts: Sequence[str]) -> list[list[Span]]:
        return [encoding.offsets for encoding in self._encodings(texts, special=False)]

    def _encodings(self, texts: Sequence[str], *, special: bool) -> Iterator[Encoding]:
        for batch in small_batches(texts, LONG_TEXTS_A_BATCH, len):
            with self._lock:
                encodings = self._tokenizer.encode_batch(batch, add_special_tokens=special)
            yield from encodings

    def _tokenise(self, texts: Sequence[str]) -> list[Ids]:
        ids: list[Ids] = []
        for batch in small_batches(texts, TEXTS_A_BATCH, len):
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
    """Let a tokenizer read the names of its special tokens as text, without changing spans.

    A Unigram vocabulary has some of these names as pieces. So the last normalisation step splits each name: `</s>` is
    read as `< /s>`.
    """
    from tokenizers import normalizers

    tokenizer.encode_special_tokens = True
    names = [
        token.content for token in tokenizer.get_added_tokens_decoder().values() if token.special
    ]
    apart = [normalizers.Replace(name, f"{name[0]} {name[1:]}") for name in names if len(name) > 1]
    given = [] if tokenizer.normalizer is None else [tokenizer.normalizer]
    tokenizer.normalizer = normalizers.Sequence([*given, *apart])


def small_batches(
    items: Sequence[Item], most: int, characters_of: Callable[[Item], int]
) -> Iterator[list[Item]]:
    """Yield batches of at most `most` items and `CHARACTERS_A_BATCH` characters, or of a single longer item.

    Raises:
        ScoringError: The call was cancelled.
    """
    batch: list[Item] = []
    characters = 0
    for item in items:
        size = characters_of(item)
        if batch and (len(batch) == most or characters + size > CHARACTERS_A_BATCH):
            yield batch
            batch, characters = [], 0
        stop_if_told()
        batch.append(item)
        characters += size
    if batch:
        yield batch
