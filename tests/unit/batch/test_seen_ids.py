"""`SeenIds` is a set."""

from hypothesis import given
from hypothesis import strategies as st

from bge_rerank.batch.seen_ids import SeenIds


@given(st.lists(st.text(st.characters(), max_size=2)))
def test_it_says_of_each_id_whether_it_is_new(ids: list[str]) -> None:
    seen, expected = SeenIds(slots=2), set[str]()
    for id_ in ids:
        assert seen.add(id_) is (id_ not in expected)
        expected.add(id_)
    assert len(seen) == len(expected)


def test_an_id_takes_32_bytes_at_most() -> None:
    seen = SeenIds()
    for number in range(10_000):
        assert seen.add(str(number))
    assert seen.nbytes <= 32 * len(seen)
    assert not any(seen.add(str(number)) for number in range(10_000))
