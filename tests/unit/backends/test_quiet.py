from collections.abc import Iterator
from types import ModuleType

import pytest
import tqdm
from huggingface_hub.utils.tqdm import (
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)
from transformers.utils import logging

from bge_rerank.backends.quiet import without_loading_bars, without_tqdm


@pytest.fixture
def bars_as_they_were() -> Iterator[None]:
    yield
    logging.enable_progress_bar()
    enable_progress_bars()


@pytest.mark.parametrize("transformers_shows", [True, False])
@pytest.mark.parametrize("hub_shows", [True, False])
@pytest.mark.usefixtures("bars_as_they_were")
def test_both_switches_are_restored(transformers_shows: bool, hub_shows: bool) -> None:
    (logging.enable_progress_bar if transformers_shows else logging.disable_progress_bar)()
    (enable_progress_bars if hub_shows else disable_progress_bars)()
    with without_loading_bars():
        assert not logging.is_progress_bar_enabled()
    assert logging.is_progress_bar_enabled() == transformers_shows
    if transformers_shows:
        assert are_progress_bars_disabled() != hub_shows


def test_the_bars_of_a_module_are_hidden_in_the_block_and_restored_after_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    module = ModuleType("with_bars")
    module.trange = tqdm.trange  # type: ignore[attr-defined]
    with without_tqdm(module):
        assert list(module.trange(3, disable=False)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    assert module.trange is tqdm.trange
    assert list(module.trange(3)) == [0, 1, 2]
    assert "3/3" in capsys.readouterr().err
