"""Files that somebody else wrote or damaged: score caches, models, calibrations, data.

Whoever can write into a folder can write wrong scores into it. Nothing more may follow.
"""

import os
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bge_rerank import ConfigurationError
from bge_rerank.scoring.cache import CachedScorer
from bge_rerank.scoring.cache_folder import FILE, FolderCache
from counted_scorer import Counted

# --- A folder of scores that others can write to.


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """A file that the user of a cache can write and remove; nothing may happen to it."""
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
    """So it was while the folder was a database of diskcache: file and emptied parents were gone."""
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
    """Write a journal that SQLite takes for that of a transaction over several files, cut short."""
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
    assert not precious.exists()  # Else the lines above would show nothing.


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


def test_a_planted_pipe_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "scores").mkdir()
    os.mkfifo(tmp_path / "scores" / FILE)
    with pytest.raises(ConfigurationError, match="is no file of its own"):
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
def test_a_fork_while_threads_write_scores_in_the_child(tmp_path: Path) -> None:
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
    signal.alarm(20)  # Else a child that hangs would outlive the test.
    os._exit(cached.score([("q", "7"), ("q", "1000")]) != [7.0, 1000.0])
