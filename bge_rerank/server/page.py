"""The page at `/`, and the policy by which a browser runs what stands in it and nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files


@cache
def page() -> str:
    """Return the page, which is whole in itself."""
    return files("bge_rerank.server").joinpath("page.html").read_text(encoding="utf-8")


@cache
def page_headers() -> dict[str, str]:
    """Return what it is sent with.

    >>> page_headers()["X-Content-Type-Options"]
    'nosniff'
    """
    policy = (
        "default-src 'none'",
        f"script-src {_hash_of('script')}",
        f"style-src {_hash_of('style')}",
        "img-src data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
    }


def _hash_of(element: str) -> str:
    """Return what a policy calls the content of the page's one element of a name."""
    [content] = re.findall(f"<{element}[^>]*>(.*?)</{element}>", page(), re.DOTALL)
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
