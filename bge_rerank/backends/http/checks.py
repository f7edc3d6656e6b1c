"""Refuse options for servers that cannot work, before anything is sent."""

from __future__ import annotations

from bge_rerank.backends.http.addresses import base_urls
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.config import ScorerConfig, headers_of, key_of
from bge_rerank.models.registry import BACKENDS, asks_server


def checked_server(config: ScorerConfig) -> ScorerConfig:
    """Return a configuration after checking its options for servers.

    Raises:
        ConfigurationError: A URL is missing, wrong, or passed to a backend that does not ask a server; or a
            key or header cannot be sent.

    >>> checked_server(ScorerConfig("mini", "torch", base_url="http://localhost:8080"))
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: base_url is given, but backend 'torch' asks no server; choose one of cohere, infinity, jina, llamacpp, tei, vllm
    """
    if asks_server(config.backend):
        base_urls(config)
    elif config.base_url is not None:
        servers = sorted(filter(asks_server, BACKENDS))
        raise ConfigurationError(
            f"base_url is given, but backend {config.backend!r} asks no server; "
            f"choose one of {', '.join(servers)}"
        )
    key = key_of(config)
    if key is not None and not _can_be_sent(key):
        raise ConfigurationError(
            "api_key is empty or has characters that are not allowed in a header; pass printable ASCII"
        )
    for name, value in headers_of(config).items():
        if not (_can_be_sent(name) and _can_be_sent(value)):
            raise ConfigurationError(
                f"the header {name!r} is empty or has characters that are not allowed; pass printable ASCII"
            )
    return config


def _can_be_sent(text: object) -> bool:
    """Return whether a header may contain a text. The HTTP library's own error would show the text."""
    if not isinstance(text, str) or not text:
        return False
    return text.isascii() and text.isprintable() and text == text.strip()
