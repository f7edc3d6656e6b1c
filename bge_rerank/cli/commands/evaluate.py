"""`bge-rerank evaluate DATA`: does reranking help on labelled queries of your own?"""

from __future__ import annotations

import argparse
from pathlib import Path

from bge_rerank.cli.commands.flags import add_flags, given
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import ModelOptions
from bge_rerank.models.registry import backend_names
from bge_rerank.scoring.loading import LazyScorer, load_scorer

COLUMNS = 120
"""Of a table where standard output is no terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        "data",
        metavar="DATA",
        help="a folder in the BEIR layout or 'irds:' and an id of ir_datasets (BM25 is the first "
        "stage), or JSONL with 'query', 'candidates' and 'relevant'",
    )
    add("--split", help="of a folder (default: test, or the only one)")
    add(
        "--allow-missed",
        action="store_true",
        help="take labels for passages that are not among a line's candidates",
    )
    _add_model_arguments(parser)
    add("--depth", type=int, default=50, metavar="N", help="candidates to rerank (default: 50)")
    add(
        "--depths",
        type=int,
        nargs="*",
        metavar="N",
        help="smaller depths to compare it with (default: 5, 10, 20, 50, 100, 200, ...; "
        "without a number: none)",
    )
    add("--k", type=int, default=10, metavar="N", help="first passages that count (default: 10)")
    add("--target", type=float, metavar="NDCG", help="the nDCG@k that is enough (0 to 1)")
    add(
        "--latency-budget-ms",
        type=float,
        metavar="MS",
        help="what reranking a query may take, at the 95th percentile (default: no limit)",
    )
    _add_output_arguments(parser)


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--model",
        nargs="+",
        default=[ModelOptions.model_name],
        metavar="NAME",
        help="models to compare: hub names, folders or 'mini' (default: %(default)s)",
    )
    add(
        "--backend",
        nargs="+",
        default=[ModelOptions.backend],
        choices=backend_names(),
        metavar="NAME",
        help="backends to compare (default: %(default)s)",
    )
    add_flags(parser, ModelOptions, without=("model_name", "backend"))


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        default=Path("evaluation"),
        metavar="DIR",
        help="folder for the numbers of each query and the reports (default: %(default)s)",
    )
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        "--resume",
        dest="fresh",
        action="store_false",
        default=False,
        help="go on where an earlier run in DIR stopped (the default)",
    )
    start.add_argument(
        "--fresh", action="store_true", default=False, help="drop what an earlier run left in DIR"
    )


def run(arguments: argparse.Namespace) -> None:
    """Check the data, measure, print, write.

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
    bar = Console(stderr=True)
    evaluation = evaluate(
        track(
            data.queries,
            "Reranking",
            data.count,
            console=bar,
            transient=True,
            disable=not bar.is_terminal,
        ),
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
    )
    console = Console()
    print_evaluation(evaluation, console if console.is_terminal else Console(width=COLUMNS))
    write_reports(evaluation, arguments.output)


def _models(arguments: argparse.Namespace) -> dict[str, LazyScorer]:
    """Return each model with each backend; the backend stands in the name where there are several."""
    several = len(arguments.backend) > 1
    options = given(arguments, ModelOptions)
    return {
        f"{model} ({backend})" if several else model: load_scorer(
            **options | {"model_name": model, "backend": backend}
        )
        for model in arguments.model
        for backend in arguments.backend
    }
