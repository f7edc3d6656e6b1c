"""Files that an attacker wrote or damaged: score caches, models, calibrations, data.

An attacker who can write into a cache's folder can write wrong scores. More than that must not be possible.
"""

import io
import json
import os
import random
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bge_rerank import (
    CalibrationError,
    ConfigurationError,
    DriftError,
    InvalidInputError,
    ModelLoadError,
    Ranked,
    Ranking,
    RerankError,
    ScoringError,
)
from bge_rerank.calibration.calibration import KIND as CALIBRATION_KIND
from bge_rerank.calibration.calibration import Calibration
from bge_rerank.calibration.drift import KIND as REFERENCE_KIND
from bge_rerank.calibration.drift import Reference, ReferenceQuery, Tolerance
from bge_rerank.cli import main
from bge_rerank.cli.commands import rank
from bge_rerank.data.beir import read_beir
from bge_rerank.data.jsonl import read_jsonl
from bge_rerank.data.labelled import LARGEST_GRADE
from bge_rerank.data.pairs import read_labelled_pairs, read_pairs
from bge_rerank.evaluation.measures import measure_rankings
from bge_rerank.models.config import ScorerConfig
from bge_rerank.models.manifest import KIND as MANIFEST_KIND
from bge_rerank.models.manifest import MANIFEST_FILE, Manifest, read_manifest, verify
from bge_rerank.models.registry import scorer_class
from bge_rerank.scoring.cache import CachedScorer
from bge_rerank.scoring.cache_folder import FILE, FolderCache
from calibrations import MINI, calibration
from counted_scorer import Counted

# --- A folder of scores that an attacker can write to.


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Write a file of the user of a cache. No test may change or remove it."""
    path = tmp_path / "home" / "only one" / "precious.txt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"precious")
    return path


DISKCACHE = """
CREATE TABLE Settings (key TEXT NOT NULL UNIQUE, value);
INSERT INTO Settings VALUES ('count', 1), ('size', 1e12), ('size_limit', 1), ('hits', 0),
 ('misses', 0), ('statistics', 0), ('tag_index', 0), ('eviction_policy', 'least-recently-stored'),
 ('cull_limit', 10), ('disk_min_file_size', 1), ('disk_pickle_protocol', 4);
CREATE TABLE Cache (rowid INTEGER PRIMARY KEY, key BLOB, raw INTEGER, store_time REAL,
 expire_time REAL, access_time REAL, access_count INTEGER DEFAULT 0, tag BLOB, size INTEGER DEFAULT 0,
 mode INTEGER DEFAULT 0, filename TEXT, value BLOB);
"""


def test_a_planted_row_that_names_a_file_removes_no_file(tmp_path: Path, precious: Path) -> None:
    """A folder of diskcache would remove the file and its empty parents here."""
    (tmp_path / "scores").mkdir()
    with sqlite3.connect(tmp_path / "scores" / "cache.db") as planted:
        planted.executescript(DISKCACHE)
        planted.execute(
            "INSERT INTO Cache (key, raw, store_time, size, mode, filename) VALUES (x'00', 1, 0, 1, 1, ?)",
            [str(precious)],
        )
    planted.close()
    cached = CachedScorer(Counted(), FolderCache(tmp_path / "scores"), ["model"])
    assert cached.score([("q", "aaa")]) == [3.0]
    assert precious.read_bytes() == b"precious"


def plant_journal(database: Path, names: Path) -> None:
    """Write a journal that SQLite reads as an interrupted transaction over several files."""
    magic = bytes([0xD9, 0xD5, 0x05, 0xF9, 0x20, 0xA1, 0x63, 0xD7])
    name = str(names).encode()
    header = magic + struct.pack(">5I", 0, 1, database.stat().st_size // 4096, 512, 4096)
    super_journal = struct.pack(">I", 2**30 // 4096 + 1) + name
    super_journal += struct.pack(">2I", len(name), sum(name)) + magic
    journal = database.with_name(f"{database.name}-journal")
    journal.write_bytes(header.ljust(512, b"\0") + super_journal)


def test_a_planted_journal_removes_no_file(tmp_path: Path, precious: Path) -> None:
    database = tmp_path / "scores" / FILE
    database.parent.mkdir()
    with sqlite3.connect(database) as planted:
        planted.execute("CREATE TABLE scores (key BLOB PRIMARY KEY, value BLOB)")
    planted.close()
    plant_journal(database, precious)
    with pytest.raises(ConfigurationError, match="is not a score cache; remove it"):
        FolderCache(database.parent)
    assert precious.read_bytes() == b"precious"
    sqlite3.connect(database).execute("SELECT * FROM scores")
    assert not precious.exists()  # SQLite itself removes it, so the journal is a real attack.


@pytest.mark.parametrize("contents", [b"precious", b""])
@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_a_planted_link_is_not_followed(
    tmp_path: Path, precious: Path, link: str, contents: bytes
) -> None:
    precious.write_bytes(contents)
    (tmp_path / "scores").mkdir()
    getattr(tmp_path / "scores" / FILE, link)(precious)
    with pytest.raises(ConfigurationError, match="which cannot be opened or written"):
        FolderCache(tmp_path / "scores")
    assert precious.read_bytes() == contents


def test_a_planted_pipe_is_refused_and_blocks_nothing(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    os.mkfifo(tmp_path / "scores" / FILE)
    with pytest.raises(ConfigurationError, match="is not a regular file, or has hard links"):
        FolderCache(tmp_path / "scores")


def test_a_link_that_is_planted_later_is_not_followed(tmp_path: Path, precious: Path) -> None:
    cached = CachedScorer(Counted(), FolderCache(tmp_path / "scores"), ["model"])
    (tmp_path / "scores" / FILE).unlink()
    (tmp_path / "scores" / FILE).symlink_to(precious)
    assert cached.score([("q", "aaa")]) == [3.0]
    assert precious.read_bytes() == b"precious"


WRITING = """
import sys
from itertools import count
from pathlib import Path
from bge_rerank.models.registry import scorer_class
from bge_rerank.scoring.cache import CachedScorer
from bge_rerank.scoring.cache_folder import FolderCache
class Numbers:
    def score(self, pairs, /): return [float(passage) for _, passage in pairs]
cached = CachedScorer(Numbers(), FolderCache(Path(sys.argv[1]), size_limit=20_000), ["m"])
for start in count(step=20):
    pairs = [("q", str(number % 500)) for number in range(start, start + 20)]
    assert cached.score(pairs) == [float(passage) for _, passage in pairs]
    print(start, flush=True)
"""


@pytest.mark.light_processes
def test_processes_that_are_killed_while_they_write_leave_no_wrong_score(tmp_path: Path) -> None:
    for _ in range(3):
        command = [sys.executable, "-c", WRITING, str(tmp_path)]
        writing = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
        for process in writing:
            assert process.stdout is not None
            assert all(process.stdout.readline() for _ in range(40))
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
    scorer = Counted(float)
    pairs = [("q", str(number)) for number in range(500)]
    cached = CachedScorer(scorer, FolderCache(tmp_path, size_limit=20_000), ["m"])
    assert cached.score(pairs) == [float(number) for number in range(500)]
    assert len(scorer.passes[0]) < 500


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_child_that_was_forked_while_threads_write_scores(tmp_path: Path) -> None:
    cached = CachedScorer(Counted(float), FolderCache(tmp_path), ["m"])
    stopped = threading.Event()

    def write(start: int) -> None:
        while not stopped.is_set():
            cached.score([("q", str(start + number)) for number in range(50)])

    threads = [threading.Thread(target=write, args=[50 * number]) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        children = [_forked(cached) for _ in range(5)]
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 5


def _forked(cached: CachedScorer) -> int:
    child = os.fork()
    if child:
        return child
    signal.alarm(20)  # Ends a child that hangs.
    os._exit(cached.score([("q", "7"), ("q", "1000")]) != [7.0, 1000.0])


# --- Damaged models: each raises a `RerankError` that names the model or the file, or it scores.

PAIRS = [("what causes tides", "The Moon."), ("q", "")]
TORN = {
    "cut in half": lambda data: data[: len(data) // 2],
    "empty": lambda _: b"",
    "zeros": lambda data: b"\0" * len(data),
    "not UTF-8": lambda _: b"\xff\xfe{}",
    "a list": lambda _: b"[]",
    "an empty object": lambda _: b"{}",
    "nested": lambda _: b"[" * 100_000,
    "a long number": lambda _: b"9" * 5_000,
}
WRONG = [None, [], {}, "x", -1, 10**400, True, [{}], 1.5]


def flipped(data: bytes, seed: int) -> bytes:
    draw = random.Random(seed)
    flipped = bytearray(data)
    for bit in draw.sample(range(len(data) * 8), 3):
        flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def retyped(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the object with one field set to None or to a value of another type."""
    fields = json.loads(data)
    for name in fields:
        yield f"no {name}", json.dumps({**fields, name: None}).encode()
        for wrong in WRONG:
            yield f"{name} is {wrong!r:.9}", json.dumps({**fields, name: wrong}).encode()


def raw_exceptions(
    folder: Path, name: str, backend: str, damages: Iterable[tuple[str, bytes]]
) -> list[str]:
    """Damage a file of a model, load it and score, for each damage. Return the errors that users should not see."""
    raw = []
    whole = (folder / name).read_bytes()
    for what, data in damages:
        (folder / name).write_bytes(data)
        config = ScorerConfig(str(folder), backend)
        try:
            scorer_class(backend)(config).score(PAIRS)
        except RerankError as error:
            unnamed = str(folder) not in str(error) and not isinstance(error, ScoringError)
            if unnamed or "\n" in str(error):
                raw.append(f"{what}: not one line with the folder's name: {error}")
        except Exception as error:  # noqa: BLE001 - the test looks for any other error
            raw.append(f"{what}: {error!r:.200}")
    (folder / name).write_bytes(whole)
    return raw


@pytest.fixture
def damaged(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a copy of a tiny model."""
    folder: Path = request.getfixturevalue(request.param)
    return shutil.copytree(folder, tmp_path / "damaged")


FILES = [
    *[("tiny_reranker", "torch", name) for name in ("config.json", "tokenizer.json")],
    *[("tiny_reranker", "torch", name) for name in ("tokenizer_config.json", "model.safetensors")],
    *[
        ("tiny_export", backend, name)
        for backend in ("openvino", "onnx")
        for name in ("config.json", "tokenizer.json", "onnx/model.onnx", "onnx/bge_rerank.json")
    ],
]
of_each_file = pytest.mark.parametrize(
    ("damaged", "backend", "name"), FILES, indirect=["damaged"], ids=str
)


@pytest.mark.parametrize("pad_token", [None, "x"])
def test_a_tokenizer_that_does_not_fit_its_model_raises_a_rerank_error(
    tiny_reranker: Path, tmp_path: Path, pad_token: str | None
) -> None:
    folder = shutil.copytree(tiny_reranker, tmp_path / "damaged")
    fields = json.loads((folder / "tokenizer_config.json").read_text())
    changed = json.dumps(fields | {"pad_token": pad_token}).encode()
    assert raw_exceptions(folder, "tokenizer_config.json", "torch", [("", changed)]) == []


@of_each_file
def test_a_truncated_file_of_a_model_raises_a_rerank_error(
    damaged: Path, backend: str, name: str
) -> None:
    if name != "onnx/bge_rerank.json":  # its checksums would reveal any damage
        (damaged / "onnx/bge_rerank.json").unlink(missing_ok=True)
    whole = (damaged / name).read_bytes()
    torn = [(what, tear(whole)) for what, tear in TORN.items()]
    assert raw_exceptions(damaged, name, backend, torn) == []


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
@pytest.mark.parametrize("text", [b"LayerNormalization", b"Shape"])
def test_text_of_a_graph_that_is_not_utf_8_raises_a_rerank_error_or_scores(
    tiny_export: Path, tmp_path: Path, backend: str, text: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(tiny_export, tmp_path / "damaged")
    (folder / "onnx/bge_rerank.json").unlink()
    graph = (folder / "onnx/model.onnx").read_bytes()
    damages = [("", graph.replace(text, b"\xdf" * len(text), count)) for count in (1, -1)]
    assert raw_exceptions(folder, "onnx/model.onnx", backend, damages) == []
    assert capfd.readouterr().out == ""


@pytest.mark.long
@of_each_file
def test_a_changed_file_of_a_model_raises_a_rerank_error_or_scores(
    damaged: Path, backend: str, name: str
) -> None:
    if name != "onnx/bge_rerank.json":  # its checksums would reveal any damage
        (damaged / "onnx/bge_rerank.json").unlink(missing_ok=True)
    whole = (damaged / name).read_bytes()
    damages = [(f"flipped {seed}", flipped(whole, seed)) for seed in range(30)]
    if name.endswith(".json"):
        damages += retyped(whole)
    assert raw_exceptions(damaged, name, backend, damages) == []


# --- Files that this package writes, and data that users write.

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=9),
    lambda inside: (
        st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=9), inside, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def altered(draw: st.DrawFn, whole: Any) -> Any:
    """Draw a JSON value with one part replaced or removed."""
    if not isinstance(whole, dict | list) or not whole or draw(st.integers(0, 4)) == 0:
        return draw(anything)
    copy: Any = whole.copy()
    place = draw(st.sampled_from(list(whole) if isinstance(whole, dict) else range(len(whole))))
    if draw(st.booleans()):
        copy[place] = draw(altered(whole[place]))
    else:
        del copy[place]
    return copy


def file_fuzz(whole: Any) -> st.SearchStrategy[bytes]:
    """Draw the bytes of a file: an altered value, damaged JSON, or arbitrary bytes."""
    text = json.dumps(whole).encode()
    cut = st.integers(0, len(text)).flatmap(
        lambda place: st.binary(max_size=9).map(lambda new: text[:place] + new + text[place + 2 :])
    )
    values = altered(whole).map(lambda value: json.dumps(value).encode())
    nested = st.integers(1, 3_000).map(lambda depth: b"[" * depth + b"]" * depth)
    return st.one_of(values, cut, nested, st.binary(max_size=50))


MANIFEST = Manifest("mini", None, "int8", 512, {"model.onnx": "0" * 64})


@given(file_fuzz({"kind": MANIFEST_KIND, **asdict(MANIFEST)}))
def test_any_manifest_is_read_or_refused(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, MANIFEST_FILE).write_bytes(data)
        with suppress(ModelLoadError):
            manifest = read_manifest(Path(folder))
            assert isinstance(manifest, Manifest)
            verify(manifest, Path(folder))


@given(file_fuzz({"kind": CALIBRATION_KIND, **asdict(calibration())}), st.floats(-9, 9))
def test_any_calibration_is_read_or_refused(data: bytes, logit: float) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "file").write_bytes(data)
        with suppress(CalibrationError):
            read = Calibration.load(Path(folder, "file"))
            assert 0.0 <= read.probability(logit) <= 1.0
            read.precision_logit(0.5)
            read.precision_estimate(0.5)
            read.recall_logit(0.5)


REFERENCE = Reference(MINI, Tolerance(0.1, 0.02), (ReferenceQuery("q", ("a", "b"), (1.0, 2.0)),))


@given(file_fuzz({"kind": REFERENCE_KIND, **asdict(REFERENCE)}))
def test_any_drift_reference_is_read_or_refused(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "file").write_bytes(data)
        with suppress(DriftError):
            assert Reference.load(Path(folder, "file")).logits


LINES = [
    {"query": "q", "candidates": ["a", {"id": 1, "passage": "b"}], "relevant": {"1": 2}},
    {"id": "x", "query": "q", "passage": "a", "label": 1},
    {"_id": "x", "title": "t", "text": "a"},
]


@given(st.sampled_from(LINES).flatmap(file_fuzz))
def test_any_line_of_data_is_read_or_refused(data: bytes) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "corpus.jsonl")
        path.write_bytes(data)
        path.with_name("queries.jsonl").write_bytes(data)
        (path.parent / "qrels").mkdir()
        (path.parent / "qrels" / "test.tsv").write_bytes(b"query-id\tcorpus-id\tscore\n" + data)
        for read in (read_labelled_pairs, read_pairs, lambda path: list(read_jsonl(path))):
            with suppress(InvalidInputError):
                read(path)
        with suppress(InvalidInputError):
            read_beir(path.parent)


def test_deeply_nested_lines_are_ranked_or_refused(
    tiny_reranker: Path, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "data.jsonl"
    limit = sys.getrecursionlimit()
    for depth in (*range(limit - 150, limit, 10), 100_000):
        nested = "[" * depth + "]" * depth
        for line in (f'{{"passage": "a", "x": {nested}}}', f'{{"passage": {nested}}}'):
            path.write_text(line)
            model = ["--model", str(tiny_reranker), "--backend", "torch"]
            for form in ([], ["--json"]):
                assert main(["rank", "q", str(path), *model, *form]) in (0, 1)
    assert b"data.jsonl:1: " in capsysbinary.readouterr().err


def test_fields_that_are_nested_too_deep_to_write_are_refused() -> None:
    nested: list[Any] = []
    for _ in range(10 * sys.getrecursionlimit()):
        nested = [nested]
    record = rank.Record(0, "a", {"passage": "a", "x": nested})
    with pytest.raises(InvalidInputError, match="the object on line 1 is nested too deep"):
        rank._as_json(1, Ranked(0, 0.5, 0.0), record)


@pytest.mark.parametrize("digits", [10, 4_000, 5_000])
def test_a_grade_of_many_digits_is_refused_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], digits: int
) -> None:
    line = f'{{"query": "q", "candidates": ["a", "b"], "relevant": {{"1": {"9" * digits}}}}}'
    (tmp_path / "data.jsonl").write_text(line)
    assert main(["evaluate", str(tmp_path / "data.jsonl"), "--output", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.startswith(f"bge-rerank: {tmp_path}/data.jsonl:1: ")


def test_the_largest_grade_is_measured() -> None:
    [values] = measure_rankings({"a": LARGEST_GRADE, "b": 1}, [["b", "a"]])
    assert 0.0 < values["nDCG@10"] < 1.0


# --- Texts with control characters, which could send commands to the user's terminal.

CLIPBOARD = "\x1b]52;c;cm0gLXJmIH4=\x07"
COMMANDING = f"tides {CLIPBOARD}\x9b2J\r\x08\u202egnp.exe"
COMMANDS = "\x07\x08\r\x1b\x9b\u202e"


def commands_in(shown: str) -> set[str]:
    return set(COMMANDS) & set(shown)


def test_a_shown_ranking_has_no_control_characters() -> None:
    console = Console(file=io.StringIO(), width=120)
    texts = [COMMANDING, f"Bread. {COMMANDING} Yeast."]
    ranked = [Ranked(0, 0.9, 2.2), Ranked(1, 0.1, -2.2, span=(7, 7 + len(COMMANDING)))]
    console.print(Ranking(ranked, COMMANDING, texts))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("tides") == 3
    assert not commands_in(shown)


def test_a_shown_evaluation_has_no_control_characters(
    tiny_reranker: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [
        {
            "id": f"{number}{COMMANDING}",
            "query": f"{COMMANDING} {number}",
            "candidates": ["a", COMMANDING],
            "relevant": [number % 2],
        }
        for number in range(20)
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    model = shutil.copytree(tiny_reranker, tmp_path / COMMANDING.replace("/", ""))
    arguments = ["--model", str(model), "--backend", "torch", "--output", str(tmp_path / "out")]
    assert main(["evaluate", str(path), *arguments]) == 0
    captured = capsys.readouterr()
    assert "gnp.exe" in captured.out
    assert not commands_in(captured.out)


def test_an_error_message_has_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift", f"/no/{COMMANDING}.json"]) == 1
    assert not commands_in(capsys.readouterr().err)


@pytest.mark.parametrize("to_terminal", [True, False])
def test_a_ranked_line_has_no_control_characters_in_a_terminal_and_all_of_them_in_a_pipe(
    tiny_reranker: Path,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
    *,
    to_terminal: bool,
) -> None:
    line = COMMANDING.replace("\r", "")
    (tmp_path / "lines").write_text(line)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: to_terminal)
    model = ["--model", str(tiny_reranker), "--backend", "torch"]
    assert main(["rank", "q", str(tmp_path / "lines"), *model]) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert bool(commands_in(shown)) is not to_terminal
    assert (line in shown) is not to_terminal
