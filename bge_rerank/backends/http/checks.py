"""Refusing settings of servers that cannot work, before anything is sent."""

from __future__ import annotations

from bge_rerank.backends.http.addresses import base_urls
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.config import ScorerConfig, headers_of, key_of
from bge_rerank.models.registry import BACKENDS, asks_server


def checked_server(config: ScorerConfig) -> ScorerConfig:
    """Return a configuration whose settings of servers can work.

    Raises:
        ConfigurationError: A server's URL is missing or wrong, a backend that asks none has one, a
            time or a number is not above 0, or the key or a header cannot be sent.

    >>> checked_server(ScorerConfig("mini", "torch", base_url="http://localhost:8080"))
    Traceback (most recent call last):
    bge_rerank.errors.ConfigurationError: base_url is given, and backend 'torch' asks no server; name one of cohere, infinity, jina, llamacpp, tei, vllm
    """
    if asks_server(config.backend):
        base_urls(config)
    elif config.base_url is not None:
        servers = sorted(filter(asks_server, BACKENDS))
        raise ConfigurationError(
            f"base_url is given, and backend {config.backend!r} asks no server; "
            f"name one of {', '.join(servers)}"
        )
    key = key_of(config)
    if key is not None and not _can_be_sent(key):
        raise ConfigurationError("api_key is empty or holds characters that no header can carry")
    for name, value in headers_of(config).items():
        if not (_can_be_sent(name) and _can_be_sent(value)):
            raise ConfigurationError(
                f"the header {name!r} is empty or holds characters none can carry"
            )
    return config


def _can_be_sent(text: object) -> bool:
    """Say whether a header can carry a text: an error of the HTTP library's would repeat it."""
    if not isinstance(text, str) or not text:
        return False
    return text.isascii() and text.isprintable() and text == text.strip()
