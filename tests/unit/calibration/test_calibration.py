"""A calibration keeps its thresholds and its file, and is valid for one model."""

import json
import logging
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bge_rerank import Calibration, CalibrationError, ConfigurationError, load_scorer
from bge_rerank.calibration.calibration import Estimate, Step, loaded_calibration, min_logit
from bge_rerank.calibration.mapping import Platt
from bge_rerank.ranking.options import RankOptions
from bge_rerank.scoring.identity import ScoredBy, scored_by
from calibrations import MINI, calibration
from counted_scorer import Counted


class Told(Counted):
    """A scorer with all attributes that identify a model."""

    model_name = "mini"
    revision = "main"
    precision = "float32"
    max_length = 512


def test_a_precision_gets_the_lowest_threshold_whose_bound_reaches_it() -> None:
    made = calibration()
    assert [made.precision_logit(wanted) for wanted in (0.95, 0.93, 0.9, 0.8, 0.0)] == [
        2.0,
        2.0,
        0.5,
        0.0,
        0.0,
    ]


def test_an_estimate_is_the_lowest_threshold_at_which_the_precision_was_measured() -> None:
    made = calibration()
    assert made.precision_estimate(0.9) == Estimate(0.25, 0.93, 0.89)
    assert [made.precision_estimate(wanted).logit for wanted in (0.99, 0.94, 0.85, 0)] == [
        2.0,
        2.0,
        -0.5,
        -0.5,
    ]
    with pytest.raises(
        CalibrationError, match=r"min_precision is 0.995, but .* 60 queries is 0.990"
    ):
        made.precision_estimate(0.995)
    with pytest.raises(CalibrationError, match=r"queries is 0.000"):
        replace(made, precision_estimates=()).precision_estimate(0.5)


def test_a_recall_gets_the_highest_threshold_whose_bound_reaches_it() -> None:
    assert [calibration().recall_logit(wanted) for wanted in (0.99, 0.95, 0.9)] == [-3, -3, -1]


def test_a_share_that_no_threshold_reaches_is_refused_with_the_best_one() -> None:
    with pytest.raises(
        CalibrationError, match=r"min_precision is 0.99, but 60 queries guarantee 0.950 at most"
    ):
        calibration().precision_logit(0.99)
    with pytest.raises(CalibrationError, match=r"min_recall is 0.5, but .* 0.000 at most"):
        replace(calibration(), recall_steps=()).recall_logit(0.5)


def test_a_wanted_precision_needs_a_calibration_and_lies_in_0_to_1() -> None:
    assert min_logit(None, None, "bound") is min_logit(calibration(), None, "bound") is None
    assert min_logit(calibration(), 0.9, "bound") == 0.5
    assert min_logit(calibration(), 0.9, "estimate") == 0.25
    with pytest.raises(
        ConfigurationError, match="precision_by is 'luck'; choose one of .*bound.*estimate"
    ):
        RankOptions(precision_by="luck")  # type: ignore[arg-type]
    with pytest.raises(
        ConfigurationError, match=r"min_precision is 0.9 without a calibration; pass"
    ):
        min_logit(None, 0.9, "bound")
    for wrong in (1.1, -0.1, math.nan):
        with pytest.raises(ConfigurationError, match=f"min_precision is {wrong}; pass a precision"):
            RankOptions(calibration=calibration(), min_precision=wrong)


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, st.floats(0, 1), st.floats(1e-300, 1e300), finite)
def test_the_file_gives_back_every_number_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory,
    logit: float,
    bound: float,
    slope: float,
    intercept: float,
) -> None:
    path = tmp_path_factory.mktemp("calibration") / "c.json"
    step = Step(logit, bound)
    made = replace(
        calibration(),
        mapping=Platt(slope, intercept),
        precision_steps=(step,),
        precision_estimates=(Estimate(logit, 1.0, bound),),
        recall_steps=(step,),
    )
    made.save(path)
    assert Calibration.load(path) == made


def test_the_file_holds_null_for_unknown_values_of_a_server(tmp_path: Path) -> None:
    made = calibration(ScoredBy("m", max_length=512))
    made.save(tmp_path / "c.json")
    assert json.loads((tmp_path / "c.json").read_text())["made_for"]["precision"] is None
    assert Calibration.load(tmp_path / "c.json") == made


def written(path: Path, **changes: Any) -> Path:
    calibration().save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 1}, "format 1 .* 2"),
        ({"format": None}, "format None .* 2"),
        ({"kind": "another"}, "is no.* bge-rerank calibration"),
        ({"mapping": None}, "mapping"),
        ({"mapping": {"knots": "none"}}, r"mapping\.Isotonic\.knots"),
        ({"mapping": {"knots": [[0, 0.5], [1, 0.4]]}}, "not monotone"),
        ({"mapping": {"knots": [[0, math.nan]]}}, "must be a finite logit"),
        ({"mapping": {"slope": math.nan, "intercept": 0}}, "do not make a rising line"),
        ({"mapping": {"slope": "1", "intercept": 0}}, r"mapping\.Platt\.slope"),
        ({"confidence": math.nan}, "the confidence is nan"),
        ({"confidence": 1.0}, r"the confidence is 1\.0"),
        ({"precision_steps": [{"logit": 0, "bound": math.nan}]}, "precision_steps has Step"),
        ({"precision_steps": [{"logit": 0, "bound": 2}]}, "precision_steps has Step"),
        ({"precision_steps": [{"logit": 0}]}, r"precision_steps\.0\.bound"),
        (
            {"precision_steps": [{"logit": 0, "bound": 0.9}, {"logit": 1, "bound": 0.8}]},
            "precision_steps has .* before",
        ),
        (
            {"precision_estimates": [{"logit": 0, "precision": 2, "bound": 0.5}]},
            "precision_estimates has Estimate.* shares of 0 to 1",
        ),
        (
            {"precision_estimates": [{"logit": math.nan, "precision": 1, "bound": 1}]},
            "precision_estimates has Estimate.* needs a finite logit",
        ),
        *(
            (
                {
                    "precision_estimates": [
                        {"logit": 1, "precision": 0.9, "bound": 0.8},
                        {"logit": logit, "precision": precision, "bound": bound},
                    ]
                },
                "precision_estimates has .* before",
            )
            for logit, precision, bound in ((1, 0.9, 0.8), (0, 0.95, 0.8), (0, 0.9, 0.85))
        ),
        (
            {"recall_steps": [{"logit": 0, "bound": 0.8}, {"logit": 1, "bound": 0.9}]},
            "recall_steps has .* before",
        ),
        ({"made_for": {"max_length": "512"}}, r"made_for\.max_length"),
    ],
)
def test_an_invalid_file_is_refused_with_its_path_and_the_reason(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = written(tmp_path / "wrong.json", **changes)
    with pytest.raises(CalibrationError, match=message) as caught:
        Calibration.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"kind": "x"}', "\x00", "[" * 100_000])
def test_a_file_that_is_not_a_calibration_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(CalibrationError, match=r"wrong\.json") as caught:
        Calibration.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "c.json")
    fields = json.loads(path.read_text())
    del fields["queries"]
    path.write_text(json.dumps(fields))
    with pytest.raises(CalibrationError, match="queries: Field required"):
        Calibration.load(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"cannot read .*none\.json.*No such file"):
        loaded_calibration(tmp_path / "none.json")


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    calibration().save(path)
    first = loaded_calibration(path)
    assert loaded_calibration(str(path)) is first
    replace(calibration(), queries=61).save(path)
    os.utime(path, ns=(1, 1))
    again = loaded_calibration(path)
    assert again is not None
    assert again.queries == 61


def test_the_scorer_that_it_was_made_for_is_accepted() -> None:
    calibration().check(Told())


@pytest.mark.parametrize(
    ("name", "value"),
    [("model_name", "maxi"), ("revision", "v2"), ("precision", "int8"), ("max_length", 256)],
)
def test_another_scorer_is_refused_with_both_values(name: str, value: object) -> None:
    scorer = Told()
    setattr(scorer, name, value)
    expected = rf"made for {name}={getattr(MINI, name)!r}, and the scorer has {name}={value!r};"
    with pytest.raises(CalibrationError, match=expected):
        calibration().check(scorer)


def test_a_warning_names_once_what_a_server_does_not_report(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = calibration(ScoredBy("told-once", "main", "float32", 512))
    server = load_scorer("told-once", "tei", base_url="http://localhost:9", max_length=512)
    for _ in range(2):
        made.check(server)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "revision, precision not compared" in record.message
    assert "compared: model_name, max_length" in record.message


def test_a_server_of_another_model_is_refused() -> None:
    server = load_scorer("m", "tei", base_url="http://localhost:9")
    with pytest.raises(CalibrationError, match="model_name='mini', and the scorer has model_name="):
        calibration().check(server)


def test_a_loaded_model_is_fully_identified_also_behind_a_cache() -> None:
    expected = ScoredBy("mini", "main", "float32", 256)
    options: dict[str, Any] = {"backend": "torch", "dtype": "float32", "max_length": 256}
    assert scored_by(load_scorer("mini", **options)) == expected
    assert scored_by(load_scorer("mini", score_cache="memory", **options)) == expected


@pytest.mark.parametrize("backend", ["openvino", "onnx"])
def test_an_export_is_identified_as_the_model_that_it_was_made_from(
    exported_mini: Path, backend: str
) -> None:
    export = load_scorer(str(exported_mini), backend, dtype="float32")
    assert scored_by(export) == MINI
