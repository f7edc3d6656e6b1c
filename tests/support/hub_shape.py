"""A cache as `huggingface_hub` writes it: each file is a link into the folder of blobs."""

import hashlib
import os
import shutil
from pathlib import Path


def add_to_hub_cache(cache: Path, name: str, folder: Path, revision: str) -> Path:
    """Put a model's files into a cache under a repository's name, and return their folder."""
    repository = cache / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / revision
    for made in (repository / "refs", repository / "blobs", snapshot):
        made.mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    for path in folder.rglob("*"):
        if path.is_file():
            link = snapshot / path.relative_to(folder)
            blob = repository / "blobs" / hashlib.sha256(str(path).encode()).hexdigest()
            shutil.copyfile(path, blob)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot
