"""Keeping other libraries' progress bars quiet: a library is silent unless asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
from transformers.utils import logging


@contextmanager
def without_loading_bars() -> Iterator[None]:
    """Switch transformers' progress bars off for the block, and back to what they were.

    Its switch moves that of the hub's client too, so both are put back.
    """
    shown, hub_hidden = logging.is_progress_bar_enabled(), are_progress_bars_disabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
            if hub_hidden:
                disable_progress_bars()


@contextmanager
def without_tqdm(module: ModuleType) -> Iterator[None]:
    """Disable the progress bars that a module makes by its own `tqdm` and `trange`, for the block.

    For modules that give no switch. Not safe for two blocks at once on the same module.
    """
    bars = {name: getattr(module, name) for name in ("tqdm", "trange") if hasattr(module, name)}
    for name, bar in bars.items():
        setattr(module, name, _disabled(bar))
    try:
        yield
    finally:
        for name, bar in bars.items():
            setattr(module, name, bar)


def _disabled(bar: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **kwargs: bar(*args, **{**kwargs, "disable": True})
