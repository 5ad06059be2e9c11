"""What a sampler puts on record of the weights that answered."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from sampler.holdings import READY, Load
from sampler.records import Records


def test_what_each_set_of_weights_answered_is_on_record_before_the_load_that_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: moment)
    records = Records(tmp_path)
    # 1 s alone; then 4 s, of which 2 s beside another
    for begun, ended in ((101.0, 102.0), (105.0, 107.0), (103.0, 107.0)):
        moment = ended
        records.note_request(None, begun, 10, 4)
    records.write()  # nothing is due
    records.note_load(Load(identity="step-1", stage=READY, seconds=0.5))
    moment = 108.0
    records.note_request("step-1", 107.5, 10, 4)
    records.note_request(None, 106.0, 10, 4)  # its time up to 107 is on record
    moment = 120.0
    records.write()
    records.write(now=True)  # nothing was answered since
    told = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["kind"], row["identity"], row.get("requests"), row["seconds"]) for row in told] == [
        ("serving", None, 3, 5.0),
        ("hot_load", "step-1", None, 0.5),
        ("serving", None, 1, 1.0),
        ("serving", "step-1", 1, 0.5),
    ]
    assert (told[0]["prompt_tokens"], told[0]["completion_tokens"]) == (30, 12)
    assert told[0]["answered"] <= told[0]["time"]
