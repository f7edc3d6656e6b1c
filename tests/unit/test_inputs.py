import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import InvalidInputError, InvalidTextError
from bge_rerank.inputs import checked_query, checked_texts, nearest, without_lone_surrogates

any_text = st.text(st.characters(codec=None, exclude_categories=()))


@given(any_text)
def test_what_comes_out_can_always_be_encoded(text: str) -> None:
    without_lone_surrogates(text).encode()


@given(st.text())
def test_a_text_that_can_be_encoded_stays_as_it_is(text: str) -> None:
    assert without_lone_surrogates(text) == text


@given(st.lists(any_text))
def test_no_text_is_dropped_or_moved(texts: list[str]) -> None:
    assert checked_texts(texts) == [without_lone_surrogates(text) for text in texts]


def test_a_generator_of_texts_is_taken() -> None:
    assert checked_texts(text for text in ("a", "b")) == ["a", "b"]


@pytest.mark.parametrize("text", [None, 3, 2.5, b"bytes", ["list"]])
def test_a_text_that_is_no_string_is_refused_by_index_and_reason(text: object) -> None:
    with pytest.raises(InvalidTextError) as caught:
        checked_texts(["fine", "fine", text])
    assert caught.value.index == 2
    assert type(text).__name__ in caught.value.reason
    assert str(caught.value).startswith("texts[2] is a ")


@pytest.mark.parametrize("texts", ["one string", b"bytes"])
def test_a_single_string_in_place_of_a_list_is_refused(texts: object) -> None:
    with pytest.raises(InvalidInputError, match="give a list"):
        checked_texts(texts)  # type: ignore[arg-type]


@pytest.mark.parametrize("query", ["", " ", "\n\t\u3000"])
def test_an_empty_query_is_refused(query: str) -> None:
    with pytest.raises(ValueError, match="query is empty"):
        checked_query(query)


@pytest.mark.parametrize("query", [None, 3, ["tides"]])
def test_a_query_that_is_no_string_is_refused(query: object) -> None:
    with pytest.raises(InvalidInputError, match="not a string"):
        checked_query(query)


@pytest.mark.parametrize(
    ("given", "name"),
    [("fp16", "float16"), ("BF16", "bfloat16"), ("fp32", "float32"), ("top_k", "top_n")],
)
def test_a_misspelt_name_suggests_the_nearest_one(given: str, name: str) -> None:
    names = ["auto", "float32", "float16", "bfloat16", "top_n", "score_threshold"]
    assert nearest(given, names) == f" (did you mean {name!r}?)"


@pytest.mark.parametrize("given", ["", "x", 3, None, "x" * 10_000])
def test_a_value_unlike_all_names_suggests_none(given: object) -> None:
    assert nearest(given, ["float32", "float16"]) == ""
