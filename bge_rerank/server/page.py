"""The page at `/`, and its content security policy: browsers run only the page's own script."""

from __future__ import annotations

import re
from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files


@cache
def page() -> str:
    """Return the page. It loads no other file."""
    return files("bge_rerank.server").joinpath("page.html").read_text(encoding="utf-8")


@cache
def page_headers() -> dict[str, str]:
    """Return the headers of the page.

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
    """Return the policy's source for the content of the page's only `<script>` or `<style>`."""
    [content] = re.findall(f"<{element}[^>]*>(.*?)</{element}>", page(), re.DOTALL)
    return f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'"
