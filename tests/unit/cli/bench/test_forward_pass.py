"""The benchmark counts the same operations as torch."""

import json
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForSequenceClassification

import bge_rerank_mini
from bge_rerank.cli.bench.forward_pass import forward_flops

LENGTHS = [5, 40, 17]


def counted_by_torch(folder: Path) -> int:
    # On CPUs, torch's counter does not know the fused kernel of attention.
    model = AutoModelForSequenceClassification.from_pretrained(folder, attn_implementation="eager")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        for length in LENGTHS:
            model.eval()(input_ids=torch.full((1, length), 7))
    return counter.get_total_flops()


@pytest.mark.parametrize("architecture", ["bert", "xlm-roberta"])
def test_the_number_of_operations_equals_torchs_count(
    architecture: str, tiny_reranker: Path
) -> None:
    folder = bge_rerank_mini.path() if architecture == "bert" else tiny_reranker
    config = json.loads((folder / "config.json").read_text())
    assert config["model_type"] == architecture
    assert forward_flops(config, LENGTHS) == counted_by_torch(folder)
