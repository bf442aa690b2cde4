"""``analogjax reproduce``: what it writes and says, and that every reproduction is whole."""

import dataclasses
import functools
import json

import jax
import numpy as np
import pytest

from analogjax.experiments import _reproduce
from analogjax.experiments._cli import main
from analogjax.experiments._sweep_grid import columns, groups, kinds, static_names
from analogjax.experiments.papers import ALL, Claim, Published, Reproduction
from analogjax.experiments.papers._reproduction import (
    above,
    falling,
    near,
    rising,
    within,
    within_points,
)


def draw(figure, rows):
    figure.subplots().plot([row["error"] for row in rows])


TOY = Reproduction(
    name="toy",
    title="Twice as far",
    source="Nobody, 1999, Fig. 1",
    about="A toy.",
    cells=lambda scale: [
        {"factor": factor, "seed": seed}
        for factor in (1.0, 2.0)
        for seed in range({"quick": 2, "paper": 3}[scale])
    ],
    make=lambda data_dir: lambda factor, seed: {"error": factor * (4 + seed)},
    static=(),
    label=lambda row: f"factor {row['factor']:g}",
    value="error",
    published={"factor 2": Published(9.5, 0.5)},
    claims=(
        Claim("Larger factors are larger.", rising("factor 1", "factor 2")),
        Claim("Larger factors are smaller.", falling("factor 1", "factor 2")),
    ),
    draw=draw,
    duration={"quick": "a blink", "paper": "two blinks"},
)


@pytest.fixture
def toy(monkeypatch):
    monkeypatch.setitem(_reproduce.ALL, "toy", TOY)


@pytest.mark.usefixtures("toy")
def test_a_reproduction_writes_its_page_beside_the_published_numbers(tmp_path, capsys):
    assert main(["reproduce", "toy", "--scale", "paper", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    start = "6 trainings to run, 0 on file; the whole scale takes about two blinks"
    assert said.index(start) < said.index("Holds")
    names = {"page.md", "figure.png", "summary.json", "cells.jsonl"}
    assert {path.name for path in tmp_path.iterdir()} == names
    page = (tmp_path / "page.md").read_text()
    assert "| factor 2 | 9.50 ± 0.500 | 10.0 ± 2.00 |" in page
    assert "| factor 1 | - | 5.00 ± 1.00 |" in page
    assert "- Holds: Larger factors are larger." in page
    assert "- **Does not hold**: Larger factors are smaller." in page
    assert "Settings: factor 1, 2. Seeds: 0, 1, 2." in page
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["results"][1]["values"] == [8.0, 10.0, 12.0]
    assert summary["scale"] == "paper"


@pytest.mark.usefixtures("toy")
def test_more_seeds_are_added_to_those_that_are_there(tmp_path, capsys):
    assert main(["reproduce", "toy", "--seeds", "1", "--out", str(tmp_path)]) == 0
    before = [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text().splitlines()]
    capsys.readouterr()
    assert main(["reproduce", "toy", "--out", str(tmp_path)]) == 0
    assert "2 trainings to run, 2 on file" in capsys.readouterr().out
    assert main(["reproduce", "toy", "--only", "FACTOR 1", "--out", str(tmp_path)]) == 0
    assert "0 trainings to run, 4 on file" in capsys.readouterr().out
    after = [json.loads(line) for line in (tmp_path / "cells.jsonl").read_text().splitlines()]
    assert len(before) == 2
    assert [row for row in after if row["seed"] == 0] == before
    assert len(after) == 4


@pytest.mark.usefixtures("toy")
def test_some_lines_alone_and_then_the_others(tmp_path):
    def run(only):
        assert main(["reproduce", "toy", "--only", only, "--out", str(tmp_path)]) == 0
        summary = json.loads((tmp_path / "summary.json").read_text())
        labels = [row["label"] for row in summary["results"]]
        return labels, [claim["holds"] for claim in summary["claims"]]

    assert run("factor 2") == (["factor 2"], [None, None])
    assert "- Not run: Larger factors are larger." in (tmp_path / "page.md").read_text()
    assert run("1") == (["factor 1", "factor 2"], [True, False])


def test_a_whole_label_names_its_line_alone(tmp_path, monkeypatch):
    cells = [{"factor": factor, "seed": 0} for factor in (1.0, 12.0)]
    toy = dataclasses.replace(TOY, cells=lambda scale: cells)
    monkeypatch.setitem(_reproduce.ALL, "toy", toy)
    assert main(["reproduce", "toy", "--only", "Factor 1", "--out", str(tmp_path)]) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["label"] for row in summary["results"]] == ["factor 1"]


@pytest.mark.usefixtures("toy")
def test_a_page_tells_which_lines_have_fewer_seeds(tmp_path):
    def table():
        lines = (tmp_path / "page.md").read_text().splitlines()
        return [line.split(" | ")[:-1] for line in lines if line.startswith("|")]

    assert main(["reproduce", "toy", "--seeds", "1", "--out", str(tmp_path)]) == 0
    assert table()[0] == ["| ", "published", "here"]
    assert main(["reproduce", "toy", "--only", "factor 2", "--out", str(tmp_path)]) == 0
    assert table()[0] == ["| ", "published", "here", "seeds"]
    assert [line[-1] for line in table()[2:]] == ["1", "2"]


def test_a_page_counts_trainings_without_a_number(tmp_path, monkeypatch):
    def make(data_dir):
        return lambda factor, seed: {"error": 1 / ((factor - 2) * (seed - 1))}

    toy = dataclasses.replace(TOY, make=make)
    monkeypatch.setitem(_reproduce.ALL, "toy", toy)
    assert main(["reproduce", "toy", "--out", str(tmp_path)]) == 0
    page = (tmp_path / "page.md").read_text()
    assert "| factor 1 | - | 1 of 2 not finite |" in page
    assert "| factor 2 | 9.50 ± 0.500 | 2 of 2 not finite |" in page
    assert page.count("**Does not hold**") == 2


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tie"], "Nothing to reproduce is named 'tie'; choose from "),
        (["toy", "--seeds", "0"], "seeds must be at least 1, got 0"),
        (["toy", "--seeds", "9"], "This scale has 2 seeds, got seeds=9."),
        (["toy", "--only", "factor 2", "3"], "No line has 3 in its label"),
        (["toy", "--only", "3"], "No line has 3 in its label; there are factor 1; factor 2."),
        (["toy", "--out", "/dev/null/x"], "Results cannot be written to /dev/null/x"),
        (["multi-tile", "--scale", "paper"], "mnist needs its four IDX files"),
    ],
)
def test_mistakes_are_told_in_one_sentence(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_claims_compare_means_over_seeds():
    values = {"a": np.array([1.0, 3.0]), "b": np.array([2.5, 2.7]), "c": np.array([9.0])}
    assert rising("a", "b", "c")(values)
    assert not falling("a", "b", "c")(values)
    assert above(["c"], ["a", "b"])(values)
    assert not above(["b", "c"], ["a", "b"])(values)
    assert within(["a", "b"], 0.61)(values)
    assert not within(["a", "b"], 0.59)(values)
    assert near({"a": Published(2.5)}, 1.3)(values)
    assert not near({"a": Published(2.5)}, 1.2)(values)
    assert within_points({"a": Published(2.5), "b": Published(2.5)}, 0.51)(values)
    assert not within_points({"a": Published(2.5), "b": Published(2.5)}, 0.49)(values)


# Claims on lines that the quick scale leaves out.
LINES_OF_PAPER_SCALE_ALONE = {"multi-tile": 7, "responses": 1}


@pytest.mark.parametrize("reproduction", ALL.values(), ids=lambda r: r.name)
def test_labels_claims_and_published_numbers_belong_together(reproduction):
    labels = {
        scale: {reproduction.label(cell) for cell in reproduction.cells(scale)}
        for scale in ("quick", "paper")
    }
    assert set(reproduction.published) <= labels["paper"]
    assert reproduction.about
    assert reproduction.claims
    for cells in map(reproduction.cells, labels):
        assert len({tuple(cell.items()) for cell in cells}) == len(cells)
    assert reproduction.claims_at("paper") == list(reproduction.claims)
    missing = len(reproduction.claims) - len(reproduction.claims_at("quick"))
    assert missing == LINES_OF_PAPER_SCALE_ALONE.get(reproduction.name, 0)


@pytest.mark.parametrize(
    ("name", "most"),
    [("bounds", 2), ("gamma", 1), *(pytest.param(n, None, marks=pytest.mark.slow) for n in ALL)],
)
def test_quick_trainings_trace_and_give_their_value(name, most):
    reproduction = ALL[name]
    cells = reproduction.cells("quick")
    names = static_names(cells, reproduction.static)
    for values, group in groups(cells, names)[:most]:
        train = functools.partial(reproduction.make(None), **values)
        traced = jax.tree.map(lambda column: column[0], columns(group[:1], kinds(cells, names)))
        outputs = jax.eval_shape(lambda traced, train=train: train(**traced), traced)
        assert outputs[reproduction.value].shape == ()
