"""`ServerInfo`: a server's description of itself, which is requested once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Scale = Literal["logit", "sigmoid"]
"""The scale of a server's scores."""

VLLM_GIVES_LOGITS = (0, 11)
"""The first version of vLLM that is asked for logits (vllm-project/vllm#20538). Earlier versions were not tried; they
are assumed to return sigmoids."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A server's description of itself; `None` is unknown.

    Attributes:
        max_texts: The most texts of a request.
        max_length: The longest pair in tokens.
        scale: The scale of the scores that it can send on request.
    """

    max_texts: int | None = None
    max_length: int | None = None
    scale: Scale | None = None


def tei_info(answer: Mapping[str, Any]) -> ServerInfo:
    """Read `/info` of Text Embeddings Inference.

    >>> tei_info({"model_id": "m", "max_client_batch_size": 32, "version": "1.9.3"})
    ServerInfo(max_texts=32, max_length=None, scale=None)
    """
    return ServerInfo(
        max_texts=_positive(answer.get("max_client_batch_size")),
        max_length=_positive(answer.get("max_input_length")),
    )


def vllm_info(answer: Mapping[str, Any]) -> ServerInfo:
    """Read `/version` of vLLM, which tells whether it can send logits.

    >>> vllm_info({"version": "0.11.2"})
    ServerInfo(max_texts=None, max_length=None, scale='logit')
    """
    found = re.match(r"v?([0-9]{1,9})\.([0-9]{1,9})", str(answer.get("version")))
    if found is None or (int(found[1]), int(found[2])) < VLLM_GIVES_LOGITS:
        return ServerInfo()
    return ServerInfo(scale="logit")


def _positive(number: object) -> int | None:
    return number if type(number) is int and number > 0 else None
