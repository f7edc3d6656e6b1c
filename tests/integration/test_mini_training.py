"""`train.py` trains weights that our scorer loads, from the labelled collections."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

import bge_rerank_mini
from bge_rerank import load_scorer
from conftest import PASSAGES, QUERY

MINI = Path(__file__).parents[2] / "mini"


def test_the_shipped_weights_are_half_precision_and_the_tokenizer_does_not_truncate() -> None:
    weights = load_file(bge_rerank_mini.path() / "model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float16}
    tokenizer = Tokenizer.from_file(str(bge_rerank_mini.path() / "tokenizer.json"))
    assert (tokenizer.truncation, tokenizer.padding) == (None, None)


@pytest.mark.long
def test_a_short_training_gives_weights_that_rank(labelled_data: Path, tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            MINI / "train.py",
            "--smoke",
            "--data",
            labelled_data,
            "--output",
            tmp_path,
        ],
        check=True,
        capture_output=True,
    )
    logits = load_scorer(str(tmp_path / "stage2")).score([(QUERY, text) for text in PASSAGES])
    assert len(set(logits)) == len(PASSAGES)
