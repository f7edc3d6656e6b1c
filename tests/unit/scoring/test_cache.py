import asyncio
import logging
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents import Document

from bge_rerank import (
    DEFAULT_MODEL,
    ConfigurationError,
    MissingDependencyError,
    Reranker,
    ScoringError,
    load_scorer,
)
from bge_rerank.models.config import ScorerConfig
from bge_rerank.scoring.cache import (
    CachedScorer,
    MemoryCache,
    ScoreCache,
    fingerprint,
    key_prefix,
    open_cache,
    score_key,
    with_cache,
)
from bge_rerank.scoring.cache_folder import FILE, PAGE, RECORD, FolderCache
from bge_rerank.scoring.cache_folder import KEY as KEY_BYTES
from conftest import PASSAGES, QUERY
from counted_scorer import Counted, Pairs, length
from langchain_bge_rerank import BGERerankerCompressor

float32s = st.floats(width=32, allow_nan=False, allow_infinity=False)
KEY, OTHER = b"k" * KEY_BYTES, b"o" * KEY_BYTES
pairs_of_texts = st.lists(st.tuples(st.text(), st.text()), max_size=8)


@pytest.fixture(params=["memory", "folder"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> ScoreCache:
    return MemoryCache() if request.param == "memory" else FolderCache(tmp_path / "scores")


def test_only_missing_pairs_are_scored_in_one_call(cache: ScoreCache) -> None:
    scorer = Counted()
    cached = CachedScorer(scorer, cache, ["model"])
    assert cached.score([("q", "a"), ("q", "bb")]) == [1.0, 2.0]
    assert cached.score([("q", "ccc"), ("q", "a"), ("q", "dddd"), ("q", "ccc")]) == [3, 1, 4, 3]
    assert cached.score([("q", "bb"), ("q", "dddd")]) == [2.0, 4.0]
    assert scorer.passes == [[("q", "a"), ("q", "bb")], [("q", "ccc"), ("q", "dddd")]]


async def test_the_async_call_reads_and_fills_the_same_cache(cache: ScoreCache) -> None:
    scorer = Counted()
    cached = CachedScorer(scorer, cache, ["model"])
    assert await cached.ascore([("q", "a")]) == [1.0]
    assert await cached.ascore([("q", "bb"), ("q", "a"), ("q", "bb")]) == [2.0, 1.0, 2.0]
    assert cached.score([("q", "a"), ("q", "bb")]) == [1.0, 2.0]
    assert scorer.passes == [[("q", "a")], [("q", "bb")]]


async def test_a_scorer_with_ascore_is_awaited(cache: ScoreCache) -> None:
    class Awaited(Counted):
        async def ascore(self, pairs: Pairs, /) -> list[float]:
            return [0.5] * len(pairs)

    scorer = Awaited()
    assert await CachedScorer(scorer, cache, ["model"]).ascore([("q", "a")]) == [0.5]
    assert scorer.passes == []


def test_another_model_or_query_has_its_own_score(cache: ScoreCache) -> None:
    scorer = Counted()
    CachedScorer(scorer, cache, ["model"]).score([("q", "a")])
    CachedScorer(scorer, cache, ["other"]).score([("q", "a")])
    CachedScorer(scorer, cache, ["model"]).score([("r", "a")])
    assert len(scorer.passes) == 3


@given(float32s, st.text(), st.text())
def test_a_cached_score_is_exactly_the_computed_one(logit: float, query: str, text: str) -> None:
    cached = CachedScorer(Counted(lambda _: logit), open_cache("memory"), [logit])
    assert [repr(cached.score([(query, text)])) for _ in range(2)] == [repr([logit])] * 2


def test_a_score_cached_in_a_folder_is_exactly_the_computed_one(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path)

    @given(st.dictionaries(st.binary(min_size=32, max_size=32), float32s, max_size=20))
    def stays_as_it_is(logits: dict[bytes, float]) -> None:
        cache.put(logits)
        assert {key: repr(logit) for key, logit in cache.get(list(logits)).items()} == {
            key: repr(logit) for key, logit in logits.items()
        }

    stays_as_it_is()


@given(st.lists(pairs_of_texts, max_size=5), st.integers(1, 4))
def test_a_cached_scorer_answers_as_the_scorer_does(asked: list[Pairs], size: int) -> None:
    cached = CachedScorer(Counted(), MemoryCache(size), ["model"])
    assert [cached.score(pairs) for pairs in asked] == [Counted().score(pairs) for pairs in asked]


@given(pairs_of_texts)
def test_no_two_pairs_have_the_same_key(pairs: Pairs) -> None:
    keys = [score_key(prefix, pair) for prefix in (["a"], ["a", "b"], ["b"]) for pair in pairs]
    assert len(set(keys)) == 3 * len(set(pairs))


def test_nan_is_not_cached(cache: ScoreCache) -> None:
    scorer = Counted(lambda passage: float("nan") if passage == "bad" else 1.0)
    cached = CachedScorer(scorer, cache, ["model"])
    for _ in range(2):
        with pytest.raises(ScoringError, match="nan for pair 1 of 0..1"):
            Reranker(cached).rerank("q", ["good", "bad"])
    assert scorer.passes == [[("q", "good"), ("q", "bad")], [("q", "bad")]]


def test_a_wrong_number_of_scores_is_an_error(cache: ScoreCache) -> None:
    class Short:
        def score(self, pairs: Pairs, /) -> list[float]:
            return [1.0]

    with pytest.raises(ScoringError, match="returned 1 scores for 2 pairs"):
        CachedScorer(Short(), cache, ["model"]).score([("q", "a"), ("q", "b")])
    assert CachedScorer(Counted(), cache, ["model"]).score([("q", "bb")]) == [2.0]


def test_the_memory_cache_keeps_to_its_size_and_drops_the_least_recently_used() -> None:
    cache = MemoryCache(2)
    cache.put({b"a": 1.0, b"b": 2.0})
    cache.get([b"a"])
    cache.put({b"c": 3.0})
    assert cache.get([b"a", b"b", b"c"]) == {b"a": 1.0, b"c": 3.0}


def test_a_folder_keeps_to_its_size_and_drops_the_oldest(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, size_limit=300_000)
    keys = [os.urandom(32) for _ in range(30_000)]
    for start in range(0, len(keys), 500):
        cache.put(dict.fromkeys(keys[start : start + 500], 1.0))
    assert sum(path.stat().st_size for path in tmp_path.rglob("*")) <= 300_000
    kept = cache.get(keys)
    assert 6_000 <= len(kept) <= 300_000 / RECORD
    # Each of the 72 pages drops its oldest record first, and pages fill at nearly the same rate.
    assert set(kept) >= set(keys[-3_000:])
    assert not set(kept) & set(keys[:20_000])


def test_a_million_scores_fit_into_a_folder(tmp_path: Path) -> None:
    assert FolderCache(tmp_path)._pages * (PAGE // RECORD) > 1_000_000


def test_a_score_that_is_stored_again_takes_no_second_slot(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path, size_limit=1)
    cache.put({KEY: 1.0})
    for number in range(200):
        cache.put({OTHER: float(number)})
    assert cache.get([KEY, OTHER]) == {KEY: 1.0, OTHER: 199.0}


def test_threads_share_a_cache(cache: ScoreCache) -> None:
    cached = CachedScorer(Counted(), cache, ["model"])

    def call(number: int) -> bool:
        texts = ["a" * (number * 7 % 50 + place) for place in range(20)]
        return cached.score([("q", text) for text in texts]) == [length(text) for text in texts]

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(call, range(200)))


@pytest.mark.light_processes
def test_processes_share_a_folder(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from bge_rerank.scoring.cache import CachedScorer, open_cache\n"
        "class One:\n"
        "    def score(self, pairs, /): return [1.5] * len(pairs)\n"
        "pairs = [(sys.argv[2], str(number)) for number in range(200)]\n"
        "for start in range(0, 200, 10):\n"
        "    CachedScorer(One(), open_cache(sys.argv[1]), ['m']).score(pairs[start : start + 10])\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "scores"), query])
        for query in "abc"
    ]
    assert [process.wait() for process in processes] == [0, 0, 0]
    scorer = Counted()
    pairs = [(query, str(number)) for query in "abc" for number in range(200)]
    cached = CachedScorer(scorer, open_cache(str(tmp_path / "scores")), ["m"])
    assert cached.score(pairs) == [1.5] * 600
    assert scorer.passes == []


def test_a_folder_holds_no_text(tmp_path: Path) -> None:
    scorer = load_scorer("mini", score_cache=str(tmp_path))
    scorer.score([("a secret question", "a secret passage")])
    for path in tmp_path.rglob("*"):
        assert b"secret" not in path.read_bytes()
        assert b"mini" not in path.read_bytes()


def test_a_folder_of_an_earlier_version_stays_unchanged(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"SQLite format 3\0")
    cache = FolderCache(tmp_path)
    cache.put({KEY: 1.0})
    assert FolderCache(tmp_path).get([KEY]) == {KEY: 1.0}
    assert (tmp_path / "cache.db").read_bytes() == b"SQLite format 3\0"


def test_a_new_folder_is_readable_only_by_its_owner(tmp_path: Path) -> None:
    FolderCache(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("logit", [float("inf"), float("nan")])
def test_a_record_without_a_finite_score_counts_as_missing(tmp_path: Path, logit: float) -> None:
    cache = FolderCache(tmp_path)
    cache.put({KEY: logit})
    assert cache.get([KEY]) == {}


def test_each_flipped_bit_of_a_record_makes_it_missing_until_a_new_score_is_stored(
    tmp_path: Path,
) -> None:
    cache = FolderCache(tmp_path, size_limit=1)
    cache.put({KEY: 0.5, OTHER: 1.5})
    whole = cache.path.read_bytes()
    for bit in range(RECORD * 8):
        damaged = bytearray(whole)
        damaged[PAGE + bit // 8] ^= 1 << bit % 8
        cache.path.write_bytes(damaged)
        assert cache.get([KEY, OTHER]) == {KEY: 0.5}  # The newest record is first.
    cache.put({OTHER: 1.5})
    assert cache.get([KEY, OTHER]) == {KEY: 0.5, OTHER: 1.5}


@given(st.integers(0, 3 * PAGE), st.binary(max_size=200))
def test_no_damage_changes_a_score(place: int, written: bytes) -> None:
    with TemporaryDirectory() as folder:
        cache = FolderCache(Path(folder), size_limit=3 * PAGE)
        logits = {bytes([number]) * KEY_BYTES: float(number) for number in range(150)}
        cache.put(logits)
        with cache.path.open("r+b") as file:
            file.seek(place)
            file.write(written)
            file.truncate()
        assert cache.get(list(logits)).items() <= logits.items()


def unusable_folders(tmp_path: Path) -> list[Path]:
    (tmp_path / "file").write_text("")
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / FILE).write_bytes(b"no cache" * 1_000)
    (tmp_path / "occupied" / FILE).mkdir(parents=True)
    return [
        tmp_path / "file",
        tmp_path / "file" / "below",
        tmp_path / "garbage",
        tmp_path / "occupied",
    ]


@pytest.mark.parametrize("number", range(4))
def test_a_folder_that_cannot_be_used_is_named_on_first_use(tmp_path: Path, number: int) -> None:
    folder = unusable_folders(tmp_path)[number]
    reranker = Reranker(load_scorer("mini", score_cache=str(folder)))
    with pytest.raises(ConfigurationError, match="which cannot be opened or written") as caught:
        reranker.rerank(QUERY, PASSAGES)
    assert str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="which cannot be opened or written"):
        asyncio.run(reranker.arerank(QUERY, PASSAGES))


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_folder_is_named_on_first_use(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ConfigurationError, match="which cannot be opened or written"):
        load_scorer("mini", score_cache=str(tmp_path)).score([(QUERY, PASSAGES[0])])


def test_an_empty_place_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="score_cache is ''; pass a folder"):
        load_scorer("mini", score_cache="").score([(QUERY, PASSAGES[0])])


def test_a_folder_that_fails_later_is_a_warning_and_the_scores_are_computed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = FolderCache(tmp_path)
    cached = CachedScorer(Counted(), cache, ["model"])
    cached.score([("q", "a")])
    cache.path.write_bytes(b"no cache" * 1_000)
    with caplog.at_level(logging.WARNING):
        assert cached.score([("q", "a"), ("q", "bb")]) == [1.0, 2.0]
    assert {record.name for record in caplog.records} == {"bge_rerank.scoring.cache_folder"}
    assert f"the score cache in {tmp_path} failed: " in caplog.text


FULL_DISK = """
import logging, resource, sys
from pathlib import Path
from bge_rerank.scoring.cache import CachedScorer
from bge_rerank.scoring.cache_folder import FILE, PAGE, RECORD, FolderCache
from bge_rerank.scoring.cache_folder import KEY as KEY_BYTES
class One:
    def score(self, pairs, /): return [1.5] * len(pairs)
logging.basicConfig()
scorer = CachedScorer(One(), FolderCache(Path(sys.argv[1])), ["m"])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
assert scorer.score([("q", "a")]) == [1.5]
"""


@pytest.mark.light_processes
def test_a_full_disk_is_a_warning_and_the_scores_are_computed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"the score cache in {tmp_path} failed: OSError" in done.stderr


def test_a_removed_folder_is_a_warning_and_the_scores_are_computed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cached = CachedScorer(Counted(), FolderCache(tmp_path / "scores"), ["model"])
    shutil.rmtree(tmp_path / "scores")
    assert cached.score([("q", "a")]) == [1.0]
    assert "failed: FileNotFoundError" in caplog.text


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cachetools", None)
    with pytest.raises(MissingDependencyError, match=r"cachetools.*'bge-rerank\[cache\]'"):
        MemoryCache()


def test_all_callers_share_the_cache_of_a_folder(tmp_path: Path) -> None:
    assert open_cache("memory") is open_cache("memory")
    assert open_cache(str(tmp_path)) is open_cache(str(tmp_path / "x" / ".."))


def test_without_score_cache_nothing_is_cached() -> None:
    scorer = Counted()
    assert with_cache(scorer, ScorerConfig("mini")) is scorer


def test_the_fingerprint_changes_with_the_weights(tmp_path: Path) -> None:
    weights = tmp_path / "model.safetensors"
    (tmp_path / "onnx").mkdir()
    seen = []
    for file, contents in [
        (weights, "one"),
        (weights, "longer"),
        (tmp_path / "tokenizer.json", "{}"),
        (tmp_path / "onnx" / "model.onnx", "graph"),
        (tmp_path / "sparse_linear.pt", "pickle"),
    ]:
        file.write_text(contents)
        seen.append(fingerprint(tmp_path))
    os.utime(weights, ns=(1, 1))
    seen.append(fingerprint(tmp_path))
    assert len({str(each) for each in seen}) == 6
    (tmp_path / "README.md").write_text("no weights")
    assert fingerprint(tmp_path) == seen[-1]


def test_all_that_affects_a_score_is_in_its_key() -> None:
    class Loaded(Counted):
        precision = "int8"
        max_length = 77
        graph = Path("onnx/model.onnx")

    config = ScorerConfig("mini", "torch")
    [name, revision, files, *rest] = key_prefix(Loaded(), config)
    assert [name, revision, *rest] == [
        *("mini", None, "torch", "int8", 77, None, "escape", None),
        "onnx/model.onnx",
    ]
    assert "model.safetensors" in str(files)
    others = [{"backend": "flag"}, {"cutoff_layers": (28,)}, {"prompt": "Find passages"}]
    keys = {str(key_prefix(Loaded(), replace(config, **each))) for each in [{}, *others]}
    assert len(keys) == 4


def test_a_hub_models_files_are_found_in_the_hubs_cache(hub_cache: Path) -> None:
    config = ScorerConfig(DEFAULT_MODEL, "torch", cache_dir=str(hub_cache))
    assert "model.safetensors" in str(key_prefix(Counted(), config)[2])


async def test_calls_are_gathered_and_then_looked_up_before_the_weights_are_asked(
    minis_passes: list[Pairs], tmp_path: Path
) -> None:
    def rerank(query: str) -> Any:
        reranker = Reranker(load_scorer("mini", "torch", score_cache=str(tmp_path)), top_n=None)
        return reranker.arerank(query, PASSAGES)

    first = await asyncio.gather(*map(rerank, [QUERY, "bread", QUERY]))
    again = await asyncio.gather(*map(rerank, [QUERY, "bread", QUERY]))
    assert first == again
    assert minis_passes == [[(query, text) for query in (QUERY, "bread") for text in PASSAGES]]


def test_an_adapter_scores_a_pair_once(minis_passes: list[Pairs], tmp_path: Path) -> None:
    compressor = BGERerankerCompressor(
        model_name="mini", backend="torch", score_cache=str(tmp_path)
    )
    documents = [Document(text) for text in PASSAGES]
    first = compressor.compress_documents(documents, QUERY)
    assert compressor.compress_documents(documents, QUERY) == first
    assert len(minis_passes) == 1
