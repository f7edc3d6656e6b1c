"""Mask secrets in texts that come from a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

Mask = Callable[[str], str]
"""A function that masks secrets in a text. `str` masks nothing."""

MASKED = "***"
WORD_LENGTH = 8
"""The shortest word within a header's value that counts as a secret by itself."""


def masker(secrets: Iterable[str]) -> Mask:
    """Return a function that masks secrets in a text, including their escaped forms in JSON.

    Mask a text before you truncate it, because truncating may leave a part of a secret. In a header's value,
    the part after the scheme and each long word are secrets too.

    >>> masker(["Bearer k1"])("the key k1 is not valid")
    'the key *** is not valid'
    """
    forms = {form for secret in secrets for form in _forms(secret)}
    written = forms | {json.dumps(form)[1:-1] for form in forms}
    if not written:
        return str
    pattern = re.compile("|".join(map(re.escape, sorted(written, key=len, reverse=True))))
    # A closure instead of an object, whose `vars()` would show the secrets.
    return lambda text: pattern.sub(MASKED, text)


def _forms(secret: str) -> set[str]:
    words = re.split(r'[\s=;,"]+', secret)
    without_scheme = secret.partition(" ")[2]
    return {secret, without_scheme, *(word for word in words if len(word) >= WORD_LENGTH)} - {""}
