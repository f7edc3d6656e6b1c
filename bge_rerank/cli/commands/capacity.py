"""`bge-rerank capacity`: how many machines like this one carry a load within a latency."""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from bge_rerank.backends.cores import threads_of
from bge_rerank.backends.http.addresses import base_urls
from bge_rerank.backends.machine import cpu_info
from bge_rerank.cli.capacity.options import PlanOptions
from bge_rerank.cli.commands.flags import add_flags, given
from bge_rerank.data.demo import demo_collection
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import LoadOptions, ModelOptions, ScorerConfig
from bge_rerank.models.options import above_zero
from bge_rerank.models.registry import asks_server
from bge_rerank.ranking.options import RankOptions
from bge_rerank.scoring.identity import config_of
from bge_rerank.scoring.loading import load_scorer
from bge_rerank.server.options import PassOptions

if TYPE_CHECKING:
    from bge_rerank.cli.capacity.rates import Rates

COLUMNS = 120
"""The width of the table if standard output is not a terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add = parser.add_argument
    add(
        "--qps",
        type=float,
        nargs="+",
        default=[1.0],
        metavar="X",
        help="Requests a second, as the mean of a day (default: 1). Several give a line each.",
    )
    add_flags(parser, PlanOptions)
    add(
        "--passages",
        type=Path,
        metavar="FILE",
        help="JSONL with a 'passage' in each object, to measure with. The default is the demo's collection.",
    )
    add(
        "--rates",
        type=Path,
        metavar="FILE",
        help="Take the measured times of an earlier run with --json, for example on another machine, "
        "instead of measuring. They hold for their own model and depth.",
    )
    add("--json", action="store_true", help="Write the plan and the measured times as JSON.")
    add_flags(parser, RankOptions, only=("prefilter", "keep"))
    add_flags(parser, PassOptions)
    # With a cache of scores nothing would be measured, and the server gathers by `PassOptions`.
    add_flags(parser, ModelOptions, LoadOptions, without=("score_cache", "batch_wait_ms"))


def run(arguments: argparse.Namespace) -> None:
    """Measure passes, simulate the load, and print the fewest machines.

    Raises:
        RerankError: A setting cannot work, or the model could not be found or read.
    """
    with needs_extra("capacity", "the plan of capacity"):
        import numpy as np  # noqa: F401 - an import of the simulation, asked for before any work
        from rich.console import Console

        from bge_rerank.cli.capacity.plan import alone, fewest_machines
        from bge_rerank.cli.capacity.presentation import Plan, footnote, plan_table
        from bge_rerank.cli.capacity.rates import read_rates
        from bge_rerank.cli.capacity.simulation import Load
    options = PlanOptions(**given(arguments, PlanOptions))
    for qps in arguments.qps:
        above_zero("requests a second").refuse("qps", qps)
    rates = read_rates(arguments.rates) if arguments.rates else _measured(arguments, options)
    load = Load(
        rate=1.0,
        balancer=options.balancer,
        hits=options.cache_hits,
        wait=arguments.wait_ms / 1e3,
    )
    plans = [
        Plan(qps, fewest_machines(rates, load.at(qps * options.peak), options.p99_ms))
        for qps in arguments.qps
    ]
    if arguments.json:
        print(json.dumps({"rates": rates.as_json(), "plans": [plan.as_json() for plan in plans]}))
        return
    console = Console()
    console = console if console.is_terminal else Console(width=COLUMNS)
    console.print(plan_table(rates, options, plans))
    console.print(footnote(rates, options, alone(rates, load).p99_ms), highlight=False)


def _measured(arguments: argparse.Namespace, options: PlanOptions) -> Rates:
    from bge_rerank.cli.capacity.measure import measure_rates
    from bge_rerank.ranking.prefilter import Prefilter

    passes = PassOptions(**given(arguments, PassOptions))
    ranked = RankOptions(**given(arguments, RankOptions), top_n=None)
    collection = demo_collection()
    passages = [passage.text for passage in collection.passages]
    if arguments.passages:
        passages = _passages(arguments.passages)
    scorer = load_scorer(**given(arguments, ModelOptions, LoadOptions)).loaded()
    config = config_of(scorer) or ScorerConfig()
    chosen = ranked.prefilter and Prefilter(ranked.prefilter, ranked.keep)
    return measure_rates(
        scorer,
        list(collection.questions.values()),
        passages,
        options.depth,
        passes,
        model=f"{config.model_name} ({config.backend} {getattr(scorer, 'precision', None) or ''})",
        machine=_machine(config),
        first=chosen or None,
    )


def _passages(path: Path) -> list[str]:
    from bge_rerank.data.jsonl import read_objects
    from bge_rerank.data.records import parse_passage

    read = [parse_passage(fields, None, place) for place, fields in read_objects(path)]
    return list(dict.fromkeys(read))


def _machine(config: ScorerConfig) -> str:
    if asks_server(config.backend):
        return f"the server at {', '.join(base_urls(config))}"
    cpu = cpu_info("model name") or platform.processor() or platform.machine()
    cores = f"{cpu}, {threads_of(config)} cores"
    if config.backend != "torch":
        return cores
    from torch.cuda import get_device_name

    from bge_rerank.backends.device import choose_devices

    devices = choose_devices(config)
    names = [get_device_name(each) if each.type == "cuda" else str(each) for each in devices]
    return cores if names == ["cpu"] else ", ".join(names)
