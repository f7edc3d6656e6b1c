"""Which failures of a server are temporary, and which say that it cannot do what was asked."""

from __future__ import annotations

import ssl

from bge_rerank.errors import ServerError

TEMPORARY = frozenset({429, 502, 503, 504})
"""Statuses after which a request is tried again."""
TOO_LARGE = 413
UNABLE = frozenset({400, 403, 404, 405, TOO_LARGE, 422, 501})
"""Statuses by which a server, or a proxy before it, refuses to tell the tokens of texts: it has no such route, or a
text is too long for it."""


def is_temporary(error: Exception) -> bool:
    """Return whether another attempt makes sense.

    >>> is_temporary(ServerError("http://host", "overloaded", status=429))
    True
    """
    if not isinstance(error, ServerError):
        return False
    if error.status is None:
        return not isinstance(_first_cause(error), ssl.SSLCertVerificationError)
    return error.status in TEMPORARY


def _first_cause(error: BaseException) -> BaseException:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error
