"""`bge-rerank evaluate DATA`: measure on labelled queries whether reranking helps."""

from __future__ import annotations

import argparse
from pathlib import Path

from bge_rerank.cli.commands.flags import add_flags, given
from bge_rerank.display.shown_text import for_terminal
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import ModelOptions
from bge_rerank.models.registry import backend_names
from bge_rerank.scoring.loading import LazyScorer, load_scorer

COLUMNS = 120
"""The width of a table outside a terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        "data",
        metavar="DATA",
        help="A JSONL file whose lines have 'query', 'candidates' and 'relevant'; or a folder in the "
        "BEIR layout, or 'irds:' and an id of ir_datasets, which BM25 searches as the first stage.",
    )
    add(
        "--split",
        metavar="NAME",
        help="The split of a folder. The default is test, or the only split.",
    )
    add(
        "--allow-missed",
        action="store_true",
        help="Accept labels of passages that are not among a line's candidates. They count as missed by "
        "the first stage.",
    )
    _add_model_arguments(parser)
    _add_measure_arguments(parser)
    _add_output_arguments(parser)


def _add_measure_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--depth",
        type=int,
        default=50,
        metavar="N",
        help="How many candidates of a query to rerank (default: %(default)s)",
    )
    add(
        "--depths",
        type=int,
        nargs="*",
        metavar="N",
        help="Smaller depths to compare. The default is 5, 10, 20, 50, 100, 200 and so on; without "
        "numbers, none.",
    )
    add(
        "--k",
        type=int,
        default=10,
        metavar="N",
        help="How many of the first passages the measures count (default: %(default)s)",
    )
    add(
        "--target",
        type=float,
        metavar="NDCG",
        help="The nDCG@k (0 to 1) that is enough. If the first stage reaches it, the answer is not to "
        "rerank.",
    )
    add(
        "--latency-budget-ms",
        type=float,
        metavar="MS",
        help="The limit of a query's latency at the 95th percentile, in milliseconds. Without this flag, any "
        "latency is accepted.",
    )


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--model",
        nargs="+",
        default=[ModelOptions.model_name],
        metavar="NAME",
        help="The models to compare: hub repositories, local folders, or 'mini' (default: "
        f"{ModelOptions.model_name})",
    )
    add(
        "--backend",
        nargs="+",
        default=[ModelOptions.backend],
        choices=backend_names(),
        metavar="NAME",
        help=f"The backends to compare: {', '.join(backend_names())} (default: {ModelOptions.backend})",
    )
    add_flags(parser, ModelOptions, without=("model_name", "backend"))


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        default=Path("evaluation"),
        metavar="DIR",
        help="The folder for the reports and the numbers of each query (default: %(default)s)",
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--resume",
        dest="fresh",
        action="store_false",
        default=False,
        help="Continue an earlier run in DIR. This is the default.",
    )
    start.add_argument(
        "--fresh",
        action="store_true",
        default=False,
        help="Delete the numbers of an earlier run in DIR, and measure all queries.",
    )


def run(arguments: argparse.Namespace) -> None:
    """Check the data, measure, print the report and write its files.

    Raises:
        RerankError: As `bge_rerank.evaluation.evaluate` does.
    """
    with needs_extra("evaluate", "the evaluation"):
        from rich.console import Console
        from rich.progress import track

        from bge_rerank.data.sources import open_data
        from bge_rerank.evaluation.evaluate import check_packages, evaluate
        from bge_rerank.evaluation.report.terminal import print_evaluation
        from bge_rerank.evaluation.report.write import write_reports
    check_packages()
    data = open_data(
        arguments.data, arguments.split, arguments.depth, allow_missed=arguments.allow_missed
    )
    queries, bar = data.queries, Console(stderr=True)
    # Outside a terminal, the bar would leave an empty line; with rich before 14.3, even a disabled one.
    if bar.is_terminal:
        queries = track(queries, "Reranking", data.count, console=bar, transient=True)
    evaluation = evaluate(
        queries,
        _models(arguments),
        retriever=data.retriever,
        depth=arguments.depth,
        depths=arguments.depths,
        k=arguments.k,
        target=arguments.target,
        latency_budget_ms=arguments.latency_budget_ms,
        corpus_size=data.corpus_size,
        output=arguments.output,
        fresh=arguments.fresh,
        data=data.identity,
        source=data.place,
    )
    *_, page = write_reports(evaluation, arguments.output)
    console = Console()
    print_evaluation(evaluation, console if console.is_terminal else Console(width=COLUMNS))
    print(f"Report: {for_terminal(page)}")


def _models(arguments: argparse.Namespace) -> dict[str, LazyScorer]:
    """Return each model with each backend. With several backends, the name includes the backend."""
    several = len(arguments.backend) > 1
    options = given(arguments, ModelOptions)
    return {
        f"{model} ({backend})" if several else model: load_scorer(
            **options | {"model_name": model, "backend": backend}
        )
        for model in arguments.model
        for backend in arguments.backend
    }
