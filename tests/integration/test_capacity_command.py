"""`bge-rerank capacity` with rates of a file and with the model, and beside a real server."""

import json
from pathlib import Path

import pytest

from bge_rerank.cli import main
from bge_rerank.cli.capacity.rates import Rates, read_rates


def written(path: Path, *seconds: float) -> str:
    rates = Rates("some model (torch bfloat16)", "some machine", 50, {1: seconds})
    path.write_text(json.dumps({"rates": rates.as_json()}))
    return str(path)


def test_the_table_has_a_line_for_each_load(tmp_path: Path, capsys) -> None:
    rates = written(tmp_path / "rates.json", 0.1, 0.11)
    assert main(["capacity", "--rates", rates, "--qps", "0.1", "8", "--p99-ms", "300"]) == 0
    printed = capsys.readouterr().out
    assert "some model (torch bfloat16), 50 passages a request, p99 <= 300 ms" in printed
    lines = [[cell.strip() for cell in line.split("│")] for line in printed.splitlines()]
    first, second = (line for line in lines if len(line) > 5)
    assert first[1:5] == ["8,640", "0.1", "0.2", "1"]
    assert second[1:4] == ["691,200", "8", "16"]
    assert int(second[4]) >= 2
    assert "some machine" in printed
    assert "int8" not in printed


def test_a_limit_that_no_number_of_machines_keeps_is_said_with_what_would_help(
    tmp_path: Path, capsys
) -> None:
    rates = written(tmp_path / "rates.json", 0.8, 1.0)
    assert main(["capacity", "--rates", rates, "--qps", "1"]) == 0
    printed = capsys.readouterr().out
    assert "impossible" in printed
    assert "more machines do not help" in printed
    assert "--depth 17" in printed
    assert "--prefilter bm25 --keep 17" in printed
    assert "--dtype int8" in printed


def test_json_can_be_read_as_rates_again(tmp_path: Path, capsys) -> None:
    file = tmp_path / "rates.json"
    rates = written(file, 0.1, 0.11)
    options = ["--rates", rates, "--qps", "1", "20", "--p99-ms", "300", "--cache-hits", "0.5"]
    assert main(["capacity", *options, "--json"]) == 0
    (tmp_path / "again.json").write_text(capsys.readouterr().out)
    assert read_rates(tmp_path / "again.json") == read_rates(file)
    plans = json.loads((tmp_path / "again.json").read_text())["plans"]
    assert [plan["peak_qps"] for plan in plans] == [2.0, 40.0]
    assert plans[0]["machines"] < plans[1]["machines"]
    assert all(plan["p99_ms"][2] <= 300 for plan in plans)


@pytest.mark.parametrize(
    ("option", "value"),
    [("qps", "0"), ("p99-ms", "0"), ("peak", "-1"), ("cache-hits", "2"), ("depth", "0")],
)
def test_a_value_that_cannot_work_is_refused(option: str, value: str, capsys) -> None:
    assert main(["capacity", "--model", "mini", f"--{option}", value]) == 1
    assert capsys.readouterr().err.startswith(f"bge-rerank: --{option} is ")


def test_passages_of_a_file_are_measured(tmp_path: Path, tiny_reranker: Path, capsys) -> None:
    passages = tmp_path / "passages.jsonl"
    passages.write_text("".join(f'{{"passage": "passage {n}"}}\n' for n in range(9)))
    options = ["--model", str(tiny_reranker), "--backend", "torch", "--passages", str(passages)]
    assert main(["capacity", *options, "--depth", "8", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [*answer["rates"]["seconds"]] == ["1", "2", "4"]
    assert "torch" in answer["rates"]["model"]
    assert answer["plans"][0]["machines"] == 1
    assert main(["capacity", *options, "--depth", "10"]) == 1
    assert "--depth is 10, but there are 9 passages" in capsys.readouterr().err


@pytest.mark.long
def test_a_real_server_is_as_slow_and_as_busy_as_its_simulation() -> None:
    from bge_rerank.cli.capacity.plan import breaks_at
    from capacity import mini_rates, real_run, simulated_runs

    rates, requests = mini_rates(depth=10), 120
    rate = 0.5 * breaks_at(rates)
    real = real_run(rate, requests, depth=10)
    runs = simulated_runs(rates, rate, requests)
    # Other work on the machine makes the server slower than the measured passes, or the passes slower than the
    # server: by up to a third here. The waiting grows more than that, hence a factor of two.
    p50 = sorted(run.p50_ms for run in runs)
    busy = sorted(run.busy for run in runs)
    assert p50[10] / 2 < real.p50_ms < 2 * p50[-10]
    assert busy[10] / 1.5 < real.busy < 1.5 * busy[-10]
