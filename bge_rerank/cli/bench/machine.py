"""Describe the machine of a measurement, the versions of packages, and the command."""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from bge_rerank.backends.cores import usable_cores
from bge_rerank.backends.machine import cpu_info
from bge_rerank.cli.bench.own_process import in_own_process

PACKAGES = (
    "bge-rerank",
    "FlagEmbedding",
    "langchain-classic",
    "langchain-community",
    "llama-index-core",
    "onnxruntime",
    "openvino",
    "optimum",
    "optimum-intel",
    "optimum-onnx",
    "rerankers",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)
"""The packages whose versions can change a result."""


def describe_machine(device: str) -> dict[str, Any]:
    """Return the machine, the packages' versions and the command line, for JSON.

    Includes the name of the GPU if the device is not the CPU.
    """
    return {
        "cpu": cpu_info("model name") or platform.processor() or platform.machine(),
        **({} if device == "cpu" else {"gpu": _gpu_name(device)}),
        "cores": usable_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {package: _version(package) for package in PACKAGES},
        "command": ["bge-rerank", *sys.argv[1:]],
    }


@cache
def _gpu_name(device: str) -> str:
    from torch.cuda import get_device_name

    name: str = in_own_process(get_device_name, device, threads=usable_cores(), sees_gpus=True)
    return name


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
