"""Reading labelled collections in the BEIR layout."""

import csv
import json
from collections import defaultdict
from pathlib import Path


def read_beir(
    folder: Path, split: str
) -> tuple[dict[str, str], dict[str, str], dict[str, dict[str, int]]]:
    """Return texts, questions and judgements, each by id."""
    judgements: defaultdict[str, dict[str, int]] = defaultdict(dict)
    with (folder / "qrels" / f"{split}.tsv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines, delimiter="\t"):
            judgements[row["query-id"]][row["corpus-id"]] = int(row["score"])
    return _texts(folder / "corpus.jsonl"), _texts(folder / "queries.jsonl"), dict(judgements)


def _texts(file: Path) -> dict[str, str]:
    with file.open(encoding="utf-8") as lines:
        records = list(map(json.loads, lines))
    return {
        record["_id"]: f"{record.get('title', '')} {record['text']}".strip() for record in records
    }
