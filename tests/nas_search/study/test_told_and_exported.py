"""What a study tells as it goes on, and its trials as tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from small_studies import study_of, total

from nas_search.strategies import GridSearch
from nas_search.study import (
    Budget,
    Event,
    ProblemError,
    SinkFailedWarning,
    Study,
    log_sink,
    ndjson_sink,
    progress_sink,
)


class TestEvents:
    """Who is told of what."""

    def test_events_are_told_in_their_order_and_kept(self) -> None:
        study, seen = study_of(), list[Event]()
        study.subscribe(seen.append)
        study.run(Budget(trials=3))
        assert list(study.events()) == seen
        assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
        kinds = [event.kind for event in seen]
        assert kinds[:4] == ["begun", "trial.asked", "trial.told", "best"]
        assert seen[0].payload["budget"] == {"trials": 3}
        assert kinds[-1] == "finished"
        assert list(study.events(after=4)) == seen[4:]
        assert seen[3].payload == {"trial": 0, "values": {"value": study.trials[0].value}}

    def test_a_sink_that_fails_is_dropped_with_one_warning(self) -> None:
        study = study_of()
        study.subscribe(lambda _: 1 / 0)  # type: ignore[arg-type, return-value]  # fails
        with pytest.warns(SinkFailedWarning, match="ZeroDivisionError") as caught:
            study.run(Budget(trials=5))
        assert len(caught) == 1
        assert len(study.trials) == 5

    def test_sinks_write_lines(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        import sys  # noqa: PLC0415 - the stream that capsys has put there

        study = study_of()
        study.subscribe(ndjson_sink(tmp_path / "events.ndjson"))
        study.subscribe(log_sink())
        study.subscribe(progress_sink(sys.stdout))
        with caplog.at_level("INFO"):
            study.run(Budget(trials=4))
        lines = (tmp_path / "events.ndjson").read_text().splitlines()
        assert [json.loads(line)["kind"] for line in lines] == [
            event.kind for event in study.events()
        ]
        assert "trial.told" in caplog.text
        assert study.best is not None
        shown = capsys.readouterr().out
        assert shown.endswith("\n")
        assert f"trial 4, best value {study.best.value:.6g}" in shown


class TestExports:
    """Trials as tables."""

    @pytest.fixture
    def study(self) -> Study:
        def odd(sample: Mapping[str, Any]) -> float:
            if sample["x"] == 1:
                raise ValueError('comma, "quote"')
            return total(sample)

        study = study_of(odd, GridSearch())
        study.run(Budget(trials=10))
        return study

    def test_every_format_has_every_trial(self, study: Study, tmp_path: Path) -> None:
        for name in ("t.ndjson", "t.csv", "t.parquet", "folder/t.csv"):
            study.export(tmp_path / name)
        lines = [json.loads(line) for line in (tmp_path / "t.ndjson").read_text().splitlines()]
        with (tmp_path / "t.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        table = pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pylist()
        assert lines == table == study.rows()
        assert [row["error"] for row in rows] == [line["error"] or "" for line in lines]
        assert (tmp_path / "folder/t.csv").read_text() == (tmp_path / "t.csv").read_text()
        assert sum(path.is_file() for path in tmp_path.rglob("*")) == 4

    def test_a_data_frame_has_a_row_a_trial(self, study: Study) -> None:
        frame = study.to_pandas()
        assert list(frame["value"].dropna()) == [0, 1, 2, 3, 4, 5]
        assert (frame["state"] == "failed").sum() == 4

    def test_another_format_is_refused(self, study: Study, tmp_path: Path) -> None:
        with pytest.raises(ProblemError, match=r"exported as \.ndjson, \.csv, \.parquet"):
            study.export(tmp_path / "t.xlsx")
