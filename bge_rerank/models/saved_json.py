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
) -> Record:
    """Read what `write_json` wrote.

    Args:
        path: The file.
        kind: What it must be.
        version: The `format` that it must have.
        record: The dataclass to make; its own checks raise `error` too.
        error: What is raised.

    Raises:
        RerankError: As `error`, and naming the file: it cannot be read, is of another kind or
            version, or a field is missing, of another type, or has a value that cannot be.
    """
    name = repr(fspath(path))
    try:
        text = Path(path).read_text(encoding="utf-8")
        contents = json.loads(text)
    except (OSError, ValueError, RecursionError) as fault:
        raise error(f"cannot read {name} ({fault}); give a {kind}") from fault
    if not isinstance(contents, dict) or contents.get("kind") != kind:
        raise error(f'{name} is no {kind}: it has no "kind": "{kind}"')
    if contents.get("format") != version:
        raise error(
            f"{name} is of format {contents.get('format')!r} and not {version}; make it anew, or "
            "read it with the version of bge-rerank that wrote it"
        )
    return _parsed(text, name, record, error)


def _parsed(text: str, name: str, record: type[Record], error: type[RerankError]) -> Record:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(record).validate_json(text, strict=True)
    except ValidationError as fault:
        details = [
            f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in fault.errors()
        ]
        raise error(f"{name}: {', '.join(details[:2])}; make it anew") from fault
    except error as fault:
        raise error(f"{name}: {fault}") from fault
