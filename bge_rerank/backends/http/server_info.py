"""`ServerInfo`: what a server says of itself, asked once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Scale = Literal["logit", "sigmoid"]

VLLM_GIVES_LOGITS = (0, 11)
"""From this version on vLLM is asked to leave the activation out (vllm-project/vllm#20538). That no earlier
release can was not checked: those are taken to give sigmoids, and are not asked for anything else."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says of itself; `None` is what it does not say.

    Attributes:
        max_texts: The most texts of a request.
        max_length: The longest pair in tokens.
        scale: What its scores are, on request at least.
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
    """Read `/version` of vLLM: whether it can be asked for logits.

    >>> vllm_info({"version": "0.11.2"})
    ServerInfo(max_texts=None, max_length=None, scale='logit')
    """
    found = re.match(r"v?([0-9]{1,9})\.([0-9]{1,9})", str(answer.get("version")))
    if found is None or (int(found[1]), int(found[2])) < VLLM_GIVES_LOGITS:
        return ServerInfo()
    return ServerInfo(scale="logit")


def _positive(number: object) -> int | None:
    return number if type(number) is int and number > 0 else None
