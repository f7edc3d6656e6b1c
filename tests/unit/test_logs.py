"""A cause is logged as a warning once, and its repeats as information."""

import logging

import pytest

import bge_rerank
from bge_rerank.logs import Warnings

logger = logging.getLogger("bge_rerank.test_logs")


def test_a_cause_is_a_warning_once_for_each_object_and_info_afterwards(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    one, other = Warnings(logger), Warnings(logger)
    one("truncated", "%d tokens", 3)
    one("truncated", "%d tokens", 4)
    one("memory", "halved")
    other("truncated", "%d tokens", 5)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "3 tokens"),
        ("INFO", "4 tokens"),
        ("WARNING", "halved"),
        ("WARNING", "5 tokens"),
    ]


def test_the_package_leaves_its_log_to_the_handlers_of_the_user() -> None:
    assert logging.getLogger(bge_rerank.__name__).handlers == []
