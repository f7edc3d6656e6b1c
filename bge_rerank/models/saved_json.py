"""Write a dataclass to a JSON file, and read it back with checks."""

from __future__ import annotations

import json
from dataclasses import asdict
from os import PathLike, fspath
from pathlib import Path
from typing import Any, TypeVar

from bge_rerank.errors import RerankError

Record = TypeVar("Record")


def write_json(path: str | PathLike[str], kind: str, record: Any) -> None:
    """Write a dataclass to a JSON file. Reading it returns exactly the same numbers.

    Args:
        path: The file to write.
        kind: What the file is, in words; it becomes the field `kind`.
        record: The dataclass.

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
    """Read a file of `write_json`.

    Args:
        path: The file to read.
        kind: What the file must be, as written.
        version: The value that its field `format` must have.
        record: The dataclass to return.
        error: The exception to raise.
        kind_optional: Also read files without a kind, as earlier versions wrote them.
        remedy: What to do about an unreadable file, for the message.

    Raises:
        RerankError: An `error` that names the file: the file cannot be read, is of another kind or
            format, or a field is missing or wrong.
    """
    name = repr(fspath(path))
    try:
        contents = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as fault:
        raise error(f"cannot read {name} ({fault}); {remedy or f'pass a {kind}'}") from fault
    remedy = remedy or "make it again"
    unnamed = kind if kind_optional else None
    if not isinstance(contents, dict) or contents.pop("kind", unnamed) != kind:
        raise error(f'{name} is not a {kind}: it lacks "kind": "{kind}"; {remedy}')
    if contents.get("format") != version:
        raise error(
            f"{name} has format {contents.get('format')!r} instead of {version}; {remedy}, or read "
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
        # Strict pydantic accepts a list as a tuple from JSON, but not from Python.
        return TypeAdapter(record).validate_json(json.dumps(contents), strict=True)
    except ValidationError as fault:
        details = [
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in fault.errors()
        ]
        raise error(f"{name}: {', '.join(details[:2])}; {remedy}") from fault
    except error as fault:
        raise error(f"{name}: {fault}") from fault
