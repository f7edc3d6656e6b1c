"""Masking what was given as a secret in texts that come from a server."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

Mask = Callable[[str], str]
"""Returns a text without the secrets. `str` is the one that knows none."""

MASKED = "***"
WORD_LENGTH = 8
"""A word of so many characters within a header's value may be a key by itself."""


def masker(secrets: Iterable[str]) -> Mask:
    """Return a function that masks secrets in a text, also as JSON writes them.

    A text must be masked before it is cut: a cut could leave a part of a secret. Of a header's value,
    what follows the scheme counts too, and each long word.

    >>> masker(["Bearer k1"])("the key k1 is not valid")
    'the key *** is not valid'
    """
    forms = {form for secret in secrets for form in _forms(secret)}
    written = forms | {json.dumps(form)[1:-1] for form in forms}
    if not written:
        return str
    pattern = re.compile("|".join(map(re.escape, sorted(written, key=len, reverse=True))))
    # Not an object: its attributes would stand in `vars()`.
    return lambda text: pattern.sub(MASKED, text)


def _forms(secret: str) -> set[str]:
    words = re.split(r'[\s=;,"]+', secret)
    without_scheme = secret.partition(" ")[2]
    return {secret, without_scheme, *(word for word in words if len(word) >= WORD_LENGTH)} - {""}
