"""Small JSON files of this package's own: written from a dataclass, checked when they are read."""

from __future__ import annotations

import json
from dataclasses import asdict
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

from bge_rerank.errors import RerankError

Record = TypeVar("Record")


def write_json(path: str | PathLike[str], kind: str, record: Any) -> None:
    """Write a dataclass as JSON, with its kind in front; numbers come back to the last bit.

    Raises:
        OSError: The file cannot be written.
    """
    text = json.dumps({"kind": kind, **asdict(record)}, indent=1, allow_nan=False)
    Path(path).write_text(text + "\n", encoding="utf-8")


def read_json(
    path: str | PathLike[str],
    kind: str,
    version: int,
    record: type[Record],
    error: type[RerankError],
    *,
    kind_optional: bool = False,
    remedy: str | None = None,
) -> Record:
    """Read what `write_json` wrote.

    With `kind_optional`, files of earlier versions, which have no kind, are read too. `remedy` says
    what to do about an unreadable file; by default, give another file or make it anew.

    Raises:
        RerankError: As `error`, and naming the file: it cannot be read, is of another kind or
            `format`, or a field is missing, of another type, or has a value that cannot be.
    """
    name = repr(fspath(path))
    try:
        contents = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as fault:
        raise error(f"cannot read {name} ({fault}); {remedy or f'give a {kind}'}") from fault
    remedy = remedy or "make it anew"
    unnamed = kind if kind_optional else None
    if not isinstance(contents, dict) or contents.pop("kind", unnamed) != kind:
        raise error(f'{name} is no {kind}: it has no "kind": "{kind}"; {remedy}')
    if contents.get("format") != version:
        raise error(
            f"{name} is of format {contents.get('format')!r} and not {version}; {remedy}, or read "
            "it with the version of bge-rerank that wrote it"
        )
    return _parsed(contents, name, record, error, remedy)


def _parsed(
    contents: dict[str, Any],
    name: str,
    record: type[Record],
    error: type[RerankError],
    remedy: str,
) -> Record:
    from pydantic import TypeAdapter, ValidationError

    try:
        # Strict pydantic makes tuples from the lists of JSON, not from those of Python.
        return TypeAdapter(record).validate_json(json.dumps(contents), strict=True)
    except ValidationError as fault:
        details = [
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in fault.errors()
        ]
        raise error(f"{name}: {', '.join(details[:2])}; {remedy}") from fault
    except error as fault:
        raise error(f"{name}: {fault}") from fault
