"""Hide the progress bars of other libraries, because this library shows none itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars
from transformers.utils import logging


@contextmanager
def without_loading_bars() -> Iterator[None]:
    """Hide transformers' progress bars in the block, and restore their state afterwards.

    Its switch also changes the hub client's switch, so both are restored.
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
    """Hide the progress bars that a module makes with its `tqdm` and `trange`, in the block.

    This is for modules without a switch. Two blocks for the same module must not run at the same time.
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
