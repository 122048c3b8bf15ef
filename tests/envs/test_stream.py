import json
import subprocess
import sys
from typing import Any

import gymnasium
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everlearn.envs import Stream, make_stream
from everlearn.wrappers.errors import SettingsError

ANT = "everlearn/SlipperyAnt-v0"


def test_every_stream_can_be_frozen_by_name() -> None:
    """It stays in the context of a step, as the same stream has it."""
    frozen = make_stream(f"{ANT}:change_every=50,frozen_at=120")
    assert frozen == make_stream(ANT, change_every=50).frozen(120)
    assert len(frozen.table(10**6, seed=0)) == 1
    alone = make_stream("everlearn/CW3-v0:steps_per_task=50,frozen_at=50,observed=task")
    assert alone.table(10**6, seed=3)[0].context == {"task": 1.0}
    assert alone.observed == "task"
    for wrong, sentence in (("-1", "0 or more, not -1"), ("soon", "a whole number")):
        with pytest.raises(SettingsError, match=f"'frozen_at' must be {sentence}"):
            make_stream(f"{ANT}:frozen_at={wrong}")


@given(st.integers(1, 10**9), st.floats(1e-3, 0.9), st.floats(1.0, 10.0))
def test_json_reads_back_with_the_same_hash(period: int, low: float, high: float) -> None:
    stream = make_stream(ANT, change_every=period, low=low, high=high)
    again = Stream.from_json(stream.to_json())
    assert again == stream
    assert again.hash() == stream.hash()


def test_a_hash_is_the_same_in_another_process() -> None:
    code = f"from everlearn.envs import make_stream; print(make_stream({ANT!r}).hash())"
    other = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert other.stdout.strip() == make_stream(ANT).hash()


def test_different_streams_have_different_hashes() -> None:
    assert make_stream(ANT).hash() != make_stream(ANT, change_every=500).hash()


def test_settings_in_the_id_equal_settings_by_name() -> None:
    assert make_stream(f"{ANT}:change_every=500,low=0.1") == make_stream(
        ANT, change_every=500, low=0.1
    )


@pytest.mark.parametrize("n_envs", [1, 3, 8])
def test_the_table_is_what_the_world_does(n_envs: int) -> None:
    stream = make_stream(ANT, change_every=50)
    rows = {row.step: row for row in stream.table(200, seed=5, n_envs=n_envs)}
    env = gymnasium.make_vec(ANT, num_envs=n_envs, change_every=50)
    _, info = env.reset(seed=5)
    row = rows[0]
    for clock in range(0, 200, n_envs):
        assert bool(info["changed"][0]) == (clock in rows and clock > 0)
        row = rows.get(clock, row)
        assert info["context"]["friction"][0] == row.context["friction"]
        assert info["segment"][0] == row.segment
        _, _, _, _, info = env.step(env.action_space.sample())
    env.close()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("everlearn/SlipperyAntt-v0", "did you mean 'everlearn/SlipperyAnt-v0'"),
        (f"{ANT}:chnge_every=5", "did you mean 'change_every'"),
        (f"{ANT}:change_every=-5", "period must be a whole number of at least 1"),
        (f"{ANT}:low=3.0", "high must be above low"),
    ],
)
def test_wrong_settings_get_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        make_stream(text)


def test_a_knobs_name_is_checked_at_once() -> None:
    text = make_stream(ANT).to_json().replace('"friction"', '"frictoin"')
    with pytest.raises(SettingsError, match="unknown knob 'frictoin': did you mean 'friction'"):
        Stream.from_json(text)


def test_every_stream_may_be_observed_and_labelled() -> None:
    stream = make_stream(f"{ANT}:observed=context,boundary_labels=always")
    assert (stream.observed, stream.boundary_labels) == ("context", "always")
    with pytest.raises(SettingsError, match="did you mean 'context'"):
        make_stream(ANT, observed="contxt")


def _damaged(**changes: Any) -> str:
    return json.dumps({**make_stream(ANT).to_dict(), **changes})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "needs 'name'"),
        (_damaged(wrolds=["Ant-v5"]), "did you mean 'worlds'"),
        (_damaged(worlds=[]), "at least one"),
        (_damaged(worlds=["Ant-v5", "Hopper-v5"]), "several worlds and a change of 'task'"),
        (_damaged(changes={}), "must be lists"),
        (_damaged(observed="hiden"), "did you mean 'hidden'"),
        (_damaged(boundary_labels="alwys"), "did you mean 'always'"),
    ],
)
def test_damaged_json_gets_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        Stream.from_json(text)
