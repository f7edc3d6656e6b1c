"""A script that scores many small calls, and prints the memory in use after each part of them."""

import gc
import json
import random
import sys

import psutil

from bge_rerank import load_scorer
from bge_rerank.data.demo import demo_collection

PARTS = 100


def main(model: str, backend: str, calls: int) -> None:
    """Score calls of a question with one to three passages of 2 to 24 words."""
    collection = demo_collection()
    questions = list(collection.questions.values())
    words = " ".join(passage.text for passage in collection.passages).split()
    scorer, process, draw = load_scorer(model, backend), psutil.Process(), random.Random(7)
    for call in range(calls):
        question = draw.choice(questions)
        lengths = [round(2 * 12 ** draw.random()) for _ in range(draw.randint(1, 3))]
        starts = [draw.randrange(len(words) - length) for length in lengths]
        passages = [
            " ".join(words[start : start + length])
            for start, length in zip(starts, lengths, strict=True)
        ]
        scorer.score([(question, passage) for passage in passages])
        if (call + 1) % (calls // PARTS) == 0:
            gc.collect()
            print(json.dumps([call + 1, process.memory_info().rss]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
