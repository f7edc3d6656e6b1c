"""`bge-rerank bench`: compare speed and memory with other packages, in one run."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bge_rerank.backends.cores import usable_cores
from bge_rerank.cli.bench.contenders import OURS, PEERS, Contender, choose, server
from bge_rerank.cli.bench.geometry import GEOMETRIES
from bge_rerank.cli.bench.settings import Settings
from bge_rerank.cli.bench.workload import LENGTHS, make_workload
from bge_rerank.cli.commands.flags import add_flags
from bge_rerank.errors import ConfigurationError
from bge_rerank.extras import needs_extra
from bge_rerank.models.config import LoadOptions, ModelOptions
from bge_rerank.models.registry import BACKENDS, asks_server

_OPTIONS = ("model_name", "max_length", "threads")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_flags(parser, ModelOptions, LoadOptions, only=_OPTIONS, model_name="mini")
    _add_server_arguments(parser)
    _add_workload_arguments(parser)
    add = parser.add_argument
    add(
        "--contenders",
        nargs="+",
        default=[],
        metavar="NAME",
        help="Measure only the contenders whose names contain one of these. The default is all.",
    )
    add(
        "--rounds",
        type=int,
        default=5,
        metavar="N",
        help="How many calls to time per contender (default: %(default)s)",
    )
    add("--device", default="cpu", help="'cpu', 'cuda' or 'cuda:N' (default: %(default)s)")
    add(
        "--output",
        type=Path,
        default=Path("benchmarks"),
        metavar="DIR",
        help="The folder for the results and the picture (default: %(default)s)",
    )


def _add_workload_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--geometry",
        choices=GEOMETRIES,
        help="Measure this architecture with random weights, instead of --model.",
    )
    add(
        "--depth",
        type=int,
        nargs="+",
        default=[100],
        metavar="N",
        help="How many passages a call ranks (default: 100)",
    )
    add(
        "--length",
        nargs="+",
        default=["mixed"],
        choices=LENGTHS,
        help="How long the passages are (default: mixed)",
    )
    add(
        "--growth",
        type=int,
        nargs="*",
        metavar="N",
        help="Measure how time and memory of our backends grow with these numbers of pairs, instead of "
        "comparing packages. Without numbers: 10 100 1000 10000.",
    )


def _add_server_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--url", help="The address of a running server to measure too.")
    add(
        "--dialect",
        choices=sorted(filter(asks_server, BACKENDS)),
        default="tei",
        help="The wire format of that server (default: %(default)s)",
    )
    add(
        "--served-model",
        metavar="NAME",
        help="The name of the model on that server. The default is the value of --model.",
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure the contenders, print a table, and write the results.

    Raises:
        RerankError: A setting is wrong, or the model could not be found, read or built.
    """
    with needs_extra("bench", "the benchmark"):
        from bge_rerank.cli.bench.measurement import SIZES
        from bge_rerank.cli.bench.run import compare, grow
    settings = _settings(arguments)
    if arguments.growth is not None:
        sizes = arguments.growth or SIZES
        grow(settings, _contenders(arguments, ours_alone=True), arguments.length[0], sizes)
        return
    workloads = [
        make_workload(length, depth) for length in arguments.length for depth in arguments.depth
    ]
    compare(settings, _contenders(arguments), workloads)


def _settings(arguments: argparse.Namespace) -> Settings:
    threads = usable_cores() if arguments.threads is None else arguments.threads
    if arguments.rounds < 1:
        raise ConfigurationError(f"--rounds is {arguments.rounds}; give 1 or more")
    if not 1 <= threads <= usable_cores():
        raise ConfigurationError(
            f"--threads is {threads}; give 1 to {usable_cores()}, the usable cores"
        )
    if not re.fullmatch(r"cpu|cuda(:\d+)?", arguments.device):
        raise ConfigurationError(f"--device is {arguments.device!r}; give cpu, cuda or cuda:N")
    return Settings(
        model_name=arguments.model_name,
        geometry=arguments.geometry,
        max_length=arguments.max_length,
        rounds=arguments.rounds,
        threads=threads,
        output=arguments.output,
        device=arguments.device,
    )


def _contenders(arguments: argparse.Namespace, *, ours_alone: bool = False) -> list[Contender]:
    kind = arguments.device.partition(":")[0]
    if ours_alone:
        return choose(OURS[kind], arguments.contenders)
    chosen = choose([*OURS[kind], *PEERS[kind]], arguments.contenders)
    if arguments.url is None:
        return chosen
    served_model = arguments.served_model or arguments.model_name
    return [*chosen, server(arguments.url, arguments.dialect, served_model)]
