"""`Tokens`: the tokens of a text, with their spans in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bge_rerank.types import Span

if TYPE_CHECKING:
    from tokenizers import Encoding


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of a text, in order. The lists have an item for each token.

    Attributes:
        ids: The ids in the vocabulary.
        names: The names in the vocabulary.
        spans: The spans in the text, in characters. Those of added tokens mean nothing.
        added: 1 for a special token that the tokenizer added to the text, else 0.
    """

    ids: list[int]
    names: list[str]
    spans: list[Span]
    added: list[int]

    @classmethod
    def of(cls, encoding: Encoding) -> Tokens:
        """Return the tokens of an encoding of the `tokenizers` library."""
        return cls(
            encoding.ids, encoding.tokens, encoding.offsets, list(encoding.special_tokens_mask)
        )


class TokensOf(Protocol):
    """A function that returns the tokens of each text."""

    def __call__(self, texts: Sequence[str], *, special: bool) -> list[Tokens]:
        """Return the tokens of each text, with special tokens around them if `special`."""
        ...
