"""Where a configuration's servers are: checked before anything is sent."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from bge_rerank.backends.http.dialects import DIALECTS
from bge_rerank.errors import ConfigurationError
from bge_rerank.models.config import ScorerConfig


def base_urls(config: ScorerConfig) -> list[str]:
    """Return where the servers of a configuration are, without a slash or a version at the end.

    Raises:
        ConfigurationError: None is given and the backend has no usual one, or one is no URL, or
            holds credentials.

    >>> base_urls(ScorerConfig(backend="cohere"))
    ['https://api.cohere.com']
    >>> base_urls(ScorerConfig(backend="vllm", base_url="http://localhost:8000/v1/"))
    ['http://localhost:8000']
    """
    given = config.base_url
    urls = [given] if isinstance(given, str) else list(given or ())
    dialect = DIALECTS[config.backend]
    if not urls and dialect.base_url is None:
        raise ConfigurationError(
            f"backend {config.backend!r} asks a server; give its base_url, such as "
            "'http://localhost:8080'"
        )
    checked = [_checked(url) for url in urls or [str(dialect.base_url)]]
    has_version = re.match(r"/v\d+/", dialect.path)
    return [re.sub(r"/v\d+$", "", url) for url in checked] if has_version else checked


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None or parts.query:
        raise ConfigurationError(
            f"the base_url of {parts.hostname} holds credentials or a query, which would show in "
            "messages; give api_key or headers instead"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"base_url is {url!r}, which is no URL of a server; give one such as "
            "'http://localhost:8080'"
        )
    return url.rstrip("/")
