from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from everlearn.evaluation.report.changes import recoveries
from everlearn.evaluation.report.collect import Collection, Run, collect, find_runs
from everlearn.evaluation.report.curves import binned, curves_of, grid, with_interval
from everlearn.evaluation.report.drawing import draw_curves, new_figure
from everlearn.evaluation.report.figures_changes import draw_changes
from everlearn.evaluation.report.figures_curves import common_segments
from everlearn.evaluation.report.latex import latex_table
from everlearn.evaluation.report.page import write_report
from everlearn.evaluation.report.scores import compute_rows, final_scores, metric_rows
from everlearn.evaluation.report.words import conclusions
from everlearn.evaluation.run_metrics import run_metrics
from everlearn.evaluation.statistics.comparisons import compare

CONTEXTS = [1.0, 2.0, 1.0]


@pytest.fixture
def runs(make_run: Any, tmp_path: Path) -> Path:
    """Two agents of three seeds."""
    folder = tmp_path / "runs"
    for seed in range(6):
        source = make_run(CONTEXTS, seed=seed).folder
        target = folder / f"{'ab'[seed % 2]}/seed_{seed // 2}"
        shutil.copytree(source, target)
        config = yaml.safe_load((target / "config.yaml").read_text())
        methods = [{"name": "continual-backprop"}] if seed % 2 else []
        config |= {"seed": seed // 2, "methods": methods, "hash": str(seed % 2), "ppo": {"lr": 0.1}}
        (target / "config.yaml").write_text(yaml.safe_dump(config))
        table = pd.read_csv(target / "iterations.csv")
        table["continual/return"] = np.arange(len(table)) + seed
        table["plasticity/actor/dormant_fraction"] = 0.1
        table["plasticity/actor/replaced_units"] = np.arange(len(table)) // 10
        table.to_csv(target / "iterations.csv", index=False)
    return folder


class Found(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[str] = []
        self.links: list[str] = []
        self.captions = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.images.append(str(dict(attrs)["src"]))
        if tag in ("a", "link", "script"):
            self.links.append(str(dict(attrs).get("href") or dict(attrs).get("src")))
        self.captions += tag == "figcaption"


def report(runs: Path, output: Path) -> tuple[str, Collection]:
    page, found = write_report(find_runs([runs]), output)
    return page.read_text(), found


def test_the_page_stands_alone(runs: Path, tmp_path: Path) -> None:
    text, collection = report(runs, tmp_path / "out")
    found = Found(text)
    assert not collection.notes
    assert len(found.images) == found.captions >= 11
    assert all(image.startswith("data:image/png;base64,") for image in found.images)
    assert all((tmp_path / "out" / link).exists() for link in found.links if link[0] != "#")
    assert len(text) < 5_000_000
    assert "http" not in re.sub(r"base64,[^\"]*", "", text)
    for caption in re.findall(r"<figcaption>(.*?)</figcaption>", text, flags=re.DOTALL):
        assert re.search(r"n = \d|in \d+ runs", caption), caption
    assert "3 runs of each agent: enough to choose what to try next" in text
    assert "cannot reach p &lt; 0.05" in text
    require_numbers(runs, tmp_path)


def require_numbers(runs: Path, tmp_path: Path) -> None:
    """Hold what is beside the page to what is measured run by run."""
    data = json.loads((tmp_path / "out" / "report.json").read_text())
    stream = data["streams"]["everlearn/Windy-v0"]
    metrics = pd.DataFrame(stream["metrics"])
    record = collect([runs / "a/seed_0"]).streams[0].groups[0].runs[0]
    three = [
        run_metrics(r.record) for r in collect(find_runs([runs / "a"])).streams[0].groups[0].runs
    ]
    own = metrics[(metrics["agent"] == "ppo") & (metrics["metric"] == "forgetting")].iloc[0]
    assert own["value"] == pytest.approx(np.mean([m.table["value"]["forgetting"] for m in three]))
    assert (own["n"], own["of"]) == (3, 3)
    assert own["low"] <= own["value"] <= own["high"]
    assert stream["compute"][0]["steps"] == record.steps == 3000
    assert len(pd.read_csv(tmp_path / "out" / "scores.csv")) == 6 * 2
    assert (tmp_path / "out" / "Windy-v0.tex").read_text().count(r"\\") == 3


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Callable[[Path], None]:
    def halve(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return halve


def fill(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_text(text)

    return write


def negative(folder: Path) -> None:
    for name in ("episodes.csv", "evaluations.csv"):
        table = pd.read_csv(folder / name)
        table["return"] = -1000 - table["return"]
        table.to_csv(folder / name, index=False)


TABLES = ("iterations.csv", "episodes.csv", "evaluations.csv", "changes.csv")
DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    **{f"no {name}": (drop(name), "missing|no evaluations") for name in TABLES},
    **{f"half {name}": (cut(name), "") for name in TABLES},
    **{f"empty {name}": (fill(name, ""), "missing or empty|no evaluations") for name in TABLES},
    **{f"rubbish {name}": (fill(name, "a,b\n1,2,3\n"), "left out") for name in TABLES},
    "rubbish evaluations.csv": (fill("evaluations.csv", "a,b\n1,2\n"), "no evaluations"),
    "no episode ended": (fill("episodes.csv", "step,env,return,length,truncated,segment\n"), ""),
    "words for numbers": (fill("episodes.csv", (
        "step,env,return,length,truncated,segment\n1,0,much,3,0,0\n"
    )), "no number"),
    "no status": (drop("status.json"), "status.json is missing"),
    "half done": (fill("status.json", '{"state": "stopped"}'), "is not finished"),
    "no configuration": (fill("config.yaml", ""), "holds no settings"),
    "strange configuration": (fill("config.yaml", "seed: 1\n"), "left out"),
    "negative returns": (negative, ""),
}  # fmt: skip


def require_said(damage: str, folder: Path, notes: list[str]) -> None:
    sentence = DAMAGES[damage][1]
    told = " ".join(note for note in notes if str(folder) in note)
    assert bool(told) or not sentence
    assert re.search(sentence, told)


@pytest.mark.parametrize("damage", DAMAGES)
def test_whatever_a_run_lacks_is_said(damage: str, runs: Path) -> None:
    DAMAGES[damage][0](runs / "b/seed_1")
    found = collect(find_runs([runs]))
    require_said(damage, runs / "b/seed_1", found.notes)
    metric_rows(found.streams[0].groups)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_report_is_made_of_whatever_is_there(damage: str, runs: Path, tmp_path: Path) -> None:
    DAMAGES[damage][0](runs / "b/seed_1")
    text, found = report(runs, tmp_path / "out")
    assert len(Found(text).images) >= 9
    require_said(damage, runs / "b/seed_1", found.notes)


def test_much_is_damaged_at_once(runs: Path, tmp_path: Path) -> None:
    damages = {
        "a/seed_0": "no evaluations.csv",
        "a/seed_1": "half evaluations.csv",
        "a/seed_2": "no changes.csv",
        "b/seed_0": "half iterations.csv",
        "b/seed_1": "negative returns",
        "b/seed_2": "no episode ended",
    }
    for folder, damage in damages.items():
        DAMAGES[damage][0](runs / folder)
    text, found = report(runs, tmp_path / "out")
    assert len(Found(text).images) >= 6
    for folder, damage in damages.items():
        require_said(damage, runs / folder, found.notes)


def test_no_run_was_evaluated(runs: Path, tmp_path: Path) -> None:
    for file in runs.rglob("evaluations.csv"):
        file.unlink()
    text, _ = report(runs, tmp_path / "out")
    assert "nothing can be said about forgetting" in text
    assert "Return in training" in text


def test_changes_that_were_not_measured_are_counted(runs: Path) -> None:
    episodes = pd.read_csv(runs / "b/seed_0/episodes.csv")
    episodes[episodes["segment"] != 1].to_csv(runs / "b/seed_0/episodes.csv", index=False)
    (stream,) = collect(find_runs([runs])).streams
    caption = next(one.caption for one in draw_changes(stream) if one.name == "recovery")
    counts = re.findall(r"of (\d+) changes recovered from in (\d) runs \((\d+) more could", caption)
    assert counts == [("6", "3", "0"), ("4", "2", "2")]


def test_a_run_without_iterations_tells_no_cost(runs: Path) -> None:
    (runs / "b/seed_1/iterations.csv").unlink()
    (stream,) = collect(find_runs([runs])).streams
    assert compute_rows(stream.groups).groupby("agent").size().tolist() == [3, 2]


def test_a_curve_of_one_point_is_seen() -> None:
    _, (axes,) = new_figure(3, 2)
    for values in ([np.nan, 1.0], [0.0, 1.0]):
        draw_curves(axes, with_interval(np.array([values]), np.array([1.0, 2.0])), "ppo", 0)
    assert [line.get_marker() for line in axes.lines] == ["o", "None"]


def test_one_run_is_no_comparison(runs: Path, tmp_path: Path) -> None:
    text, _ = report(runs / "a/seed_0", tmp_path / "out")
    assert "nothing is compared" in text
    assert "1 run of each agent" in text


def test_shorter_runs_are_drawn_and_do_not_count(runs: Path) -> None:
    file = runs / "b/seed_1/iterations.csv"
    pd.read_csv(file).iloc[:15].to_csv(file, index=False)
    (stream,) = collect(find_runs([runs])).streams
    a, b = stream.groups
    assert (len(a.runs), len(a.scored), len(b.runs), len(b.scored)) == (3, 3, 3, 2)
    curves = curves_of(b.runs, None, grid(stream.groups))
    assert curves is not None
    assert np.isnan(curves.mean[-1])
    assert np.isfinite(curves.mean[40])
    tables, _ = final_scores(stream.groups)
    assert tables["ppo + continual-backprop"].index.tolist() == [0, 2]


def test_a_seed_counts_once(runs: Path) -> None:
    shutil.copytree(runs / "a/seed_0", runs / "again")
    found = collect(find_runs([runs]))
    assert sum(len(group.runs) for group in found.streams[0].groups) == 6
    assert "another run of the same with its seed" in found.notes[0]


def test_settings_tell_groups_of_one_name_apart(runs: Path) -> None:
    for file in (runs / "b").rglob("config.yaml"):
        config = yaml.safe_load(file.read_text())
        file.write_text(yaml.safe_dump({**config, "methods": [], "ppo": {"lr": 0.5}}))
    (stream,) = collect(find_runs([runs])).streams
    assert [group.label for group in stream.groups] == ["ppo (lr 0.1)", "ppo (lr 0.5)"]


def test_evaluation_settings_do_not(runs: Path) -> None:
    for file in (runs / "b").rglob("config.yaml"):
        config = yaml.safe_load(file.read_text())
        seed = config["seed"] + 3
        file.write_text(yaml.safe_dump({**config, "methods": [], "seed": seed, "evaluation": {}}))
    (stream,) = collect(find_runs([runs])).streams
    assert [len(group.runs) for group in stream.groups] == [6]


def test_repeated_tasks_are_one_column(runs: Path) -> None:
    (stream,) = collect(find_runs([runs])).streams
    segments = common_segments(stream.groups)
    assert segments is not None
    assert segments["task"].tolist() == ["wind=1", "wind=2", "wind=1"]
    tables, _ = final_scores(stream.groups)
    assert all(table.shape == (3, 2) for table in tables.values())


def test_curves_are_lines_between_known_values() -> None:
    steps = np.array([10.0, 20.0, 30.0, 40.0])
    row = binned(pd.Series([10, 25]), pd.Series([1.0, 2.0]), steps)
    np.testing.assert_array_equal(row, [1.0, 1.5, 2.0, np.nan])


def test_recoveries_count_from_the_change(make_run: Any) -> None:
    record = make_run([1.0, 2.0])
    episodes = record.episodes
    after = episodes["step"] - 1000
    episodes["return"] = np.where(after <= 0, 100.0, np.where(after < 400, 10.0, 100.0))
    found = recoveries(Run(record, run_metrics(record)), floor=0.0)
    assert found["recovered"].tolist() == [True]
    first = episodes["step"][(after >= 400)].min() - 1000
    assert first <= found["time"][0] <= first + 120
    episodes["return"] = np.where(after <= 0, 100.0, 10.0)
    found = recoveries(Run(record, run_metrics(record)), floor=0.0)
    assert found["recovered"].tolist() == [False]


def test_words_claim_no_more_than_seeds_allow(runs: Path) -> None:
    (stream,) = collect(find_runs([runs])).streams
    labels = [group.label for group in stream.groups]

    def said(a: list[float], b: list[float]) -> str:
        scores = {labels[0]: pd.Series(a), labels[1]: pd.Series(b)}
        return " ".join(conclusions(stream, {"Return": compare(scores)}, "success", 2))

    few = said([1.0, 2.0, 3.0], [11.0, 12.5, 13.0])
    assert "10.2 less than" in few
    assert "no ground to claim a difference" in few
    assert "has as much as" in said([1.0, 2.0], [1.0, 2.0])
    rng = np.random.default_rng(0)
    many = said(list(rng.normal(0, 1, 12)), list(rng.normal(9, 1, 12)))
    assert "That is a difference." in many


def test_latex_has_a_row_an_agent(runs: Path) -> None:
    (stream,) = collect(find_runs([runs])).streams
    text = latex_table(metric_rows(stream.groups), stream.name, "return")
    assert text.count(r"\\") == 3
    assert r"ppo + continual-backprop & $" in text
    assert text.count("{") == text.count("}")
