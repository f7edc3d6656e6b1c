"""`local_encoder`: the tokenizer of a server's model, if its file is on this machine."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.files import model_folder

if TYPE_CHECKING:
    from bge_rerank.backends.encoder.pairs import PairEncoder

logger = logging.getLogger(__name__)

TOKENIZER = "tokenizer.json"
MAX_LENGTH = 2**31
"""No limit: the caller of `windows` passes the longest pair."""


def local_encoder(config: ScorerConfig) -> PairEncoder | None:
    """Return an encoder with the tokenizer of `model_name`, from a folder or the hub's cache, without the network.

    Returns:
        `None` if this machine does not have the file, or cannot read it.
    """
    try:
        from tokenizers import Tokenizer

        from bge_rerank.backends.encoder.pairs import PairEncoder

        folder = model_folder(replace(config, local_files_only=True), [TOKENIZER])
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        return PairEncoder.of(config, tokenizer, MAX_LENGTH)
    except Exception as error:  # noqa: BLE001 - the library raises nothing narrower for a damaged file
        logger.info("the tokenizer of %s is not on this machine: %s", config.model_name, error)
        return None
