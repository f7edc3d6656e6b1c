"""Secrets are masked in a text, in every form in which a server may write them."""

import pytest

from bge_rerank.backends.http.masking import masker


@pytest.mark.parametrize(
    ("secret", "text", "masked"),
    [
        ("k", "ok, k", "o***, ***"),
        ("Bearer abc", "abc and Bearer abc", "*** and ***"),
        ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz", "***"),
        ('Signature id="1", key="0123456789"', "0123456789 of 1", "*** of 1"),
        ('a"b\\c', 'a"b\\c, {"key": "a\\"b\\\\c"}', '***, {"key": "***"}'),
        ("a.c", "abc a.c", "abc ***"),
    ],
)
def test_a_secret_is_masked_in_each_form(secret: str, text: str, masked: str) -> None:
    assert masker([secret])(text) == masked


def test_of_two_overlapping_secrets_the_longer_one_is_masked_whole() -> None:
    assert masker(["abc", "abcdef"])("abcdef abc") == "*** ***"


def test_without_secrets_a_text_stays_unchanged() -> None:
    assert masker([])("text") == masker([""])("text") == "text"


def test_the_masking_function_shows_no_secret() -> None:
    mask = masker(["sk-secret"])
    assert "sk-secret" not in f"{mask!r}{vars(mask)}"
