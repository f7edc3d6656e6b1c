"""`ServerInfo`: what a server says of itself, asked once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VLLM_GIVES_LOGITS = (0, 11)
"""From this version on vLLM is asked to leave the activation out (vllm-project/vllm#20538). That no earlier
release can was not checked: those are taken to give sigmoids, and are not asked for anything else."""


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """What a server says of itself; `None` is what it does not say.

    Attributes:
        max_texts: The most texts of a request.
        max_length: The longest pair in tokens.
        version: The server's own version, its first two numbers, where its scale depends on it.
    """

    max_texts: int | None = None
    max_length: int | None = None
    version: tuple[int, int] | None = None


def tei_info(answer: Mapping[str, Any]) -> ServerInfo:
    """Read `/info` of Text Embeddings Inference.

    >>> tei_info({"model_id": "m", "max_client_batch_size": 32, "version": "1.9.3"})
    ServerInfo(max_texts=32, max_length=None, version=None)
    """
    return ServerInfo(
        max_texts=_positive(answer.get("max_client_batch_size")),
        max_length=_positive(answer.get("max_input_length")),
    )


def vllm_info(answer: Mapping[str, Any]) -> ServerInfo:
    """Read `/version` of vLLM.

    >>> vllm_info({"version": "0.11.2"})
    ServerInfo(max_texts=None, max_length=None, version=(0, 11))
    """
    return ServerInfo(version=_version(answer.get("version")))


def gives_logits_on_request(info: ServerInfo) -> bool:
    """Say whether a vLLM server can be asked for logits; one that does not tell its version cannot."""
    return info.version is not None and info.version >= VLLM_GIVES_LOGITS


def _positive(number: object) -> int | None:
    return number if isinstance(number, int) and number > 0 else None


def _version(text: object) -> tuple[int, int] | None:
    found = re.match(r"v?(\d+)\.(\d+)", str(text))
    return (int(found[1]), int(found[2])) if found else None
