"""Checkpoints: whole or not there, of this run or refused."""

import json
import resource
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.devices import SoftBounds
from analogjax.experiments import Checkpoints, DigitsNet, _checkpoint, load
from analogjax.experiments._checkpoint import PARTIAL
from analogjax.experiments._rules import RuleSettings
from analogjax.experiments._run import run

ROWS = [{"train_loss": [0.1 + 0.2], "seconds": 1e-3}]
SETTINGS = {"rule": {"learning_rate": 0.1, "gamma": None}, "seeds": (0, 1)}


@pytest.fixture
def state():
    return {
        "w": jax.random.normal(jax.random.key(0), (30, 20)),
        "keys": jax.random.split(jax.random.key(1), 3),
        "count": jnp.asarray(7, jnp.int32),
        "empty": jnp.zeros((0, 4)),
        "nothing": (),
    }


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(directory=tmp_path / "checkpoints", settings=SETTINGS, every=1)


def like(state):
    return jax.eval_shape(lambda: state)


def files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file())


def test_what_is_read_is_what_was_written_to_the_bit(checkpoints, state):
    assert checkpoints.restore(like(state)) is None
    checkpoints.save(3, state, ROWS)
    restored = checkpoints.restore(like(state))
    assert (restored.epoch, restored.rows, restored.notices) == (3, ROWS, [])
    assert jax.tree.structure(restored.state) == jax.tree.structure(state)
    for name in ("w", "count", "empty"):
        np.testing.assert_array_equal(restored.state[name], state[name])
        assert restored.state[name].dtype == state[name].dtype
    assert bool((restored.state["keys"] == state["keys"]).all())


def test_the_newest_two_are_kept_and_what_a_killed_process_left_is_cleared(checkpoints, state):
    left = checkpoints.directory / f"{PARTIAL}abc"
    left.mkdir(parents=True)
    for epoch in (1, 2, 10):
        checkpoints.save(epoch, state, ROWS)
    names = sorted(path.name for path in checkpoints.directory.iterdir())
    assert names == ["00000002", "00000010"]
    assert checkpoints.restore(like(state)).epoch == 10


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing"])
def test_damage_to_any_file_is_found_and_the_one_before_is_read(checkpoints, state, damage):
    checkpoints.save(1, state, ROWS)
    rng = np.random.default_rng(0)
    for number in range(len(files(checkpoints.save(2, state, ROWS)))):
        file = files(checkpoints.save(2, state, ROWS))[number]
        content = bytearray(file.read_bytes())
        if damage == "missing":
            file.unlink()
        elif not content:
            continue
        elif damage == "cut":
            file.write_bytes(content[: rng.integers(len(content))])
        else:
            content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
            file.write_bytes(content)
        restored = checkpoints.restore(like(state))
        assert restored.epoch == 1, file
        assert restored.notices[0].startswith("Passed over 00000002: ")


def test_where_none_is_whole_nothing_is_read(checkpoints, state):
    path = checkpoints.save(1, state, ROWS)
    (path / "record.json").write_text("[[[")
    with pytest.raises(ValueError, match=r"is whole \(00000001: record.json is missing or .*anew"):
        checkpoints.restore(like(state))


def test_other_settings_are_refused_and_spelled_out(checkpoints, state):
    checkpoints.save(1, state, ROWS)
    settings = {"rule": {"learning_rate": 0.2, "gamma": None}, "seeds": (0, 1), "data": "f00"}
    other = Checkpoints(directory=checkpoints.directory, settings=settings)
    message = r"rule.learning_rate 0.1 there, 0.2 here; data \(not set\) there, f00 here\. Give"
    with pytest.raises(ValueError, match=message):
        other.restore(like(state))


def test_a_state_of_another_form_and_other_keys_are_refused(checkpoints, state):
    checkpoints.save(1, state, ROWS)
    wider = state | {"w": jnp.zeros((30, 21))}
    with pytest.raises(ValueError, match=r"form: w float32\[30,20\] there, float32\[30,21\] here"):
        checkpoints.restore(like(wider))
    rbg = state | {"keys": jax.random.split(jax.random.key(1, impl="rbg"), 3)}
    with pytest.raises(ValueError, match=r"keys of key<fry>, this run has key<rbg>: set"):
        checkpoints.restore(like(rbg))


def rewrite(path: Path, **changes):
    """A record with other entries, sound by its own checksum."""
    record = json.loads((path / "record.json").read_text())
    record = {name: v for name, v in record.items() if name != "sha256"} | changes
    record["sha256"] = _checkpoint._digest(record)
    (path / "record.json").write_text(json.dumps(record))


def test_a_newer_format_is_refused_and_another_version_is_told(checkpoints, state):
    path = checkpoints.save(1, state, ROWS)
    versions = json.loads((path / "record.json").read_text())["versions"]
    rewrite(path, versions=versions | {"jax": "0.1"})
    (notice,) = checkpoints.restore(like(state)).notices
    assert notice.startswith("The checkpoint is of jax 0.1 there, ")
    rewrite(path, format=99)
    with pytest.raises(ValueError, match=r"has format 99, of a newer analogjax .* up to 1: update"):
        checkpoints.restore(like(state))


def test_a_full_disk_is_an_error_and_the_one_before_stays(checkpoints, state):
    checkpoints.save(1, state, ROWS)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"epoch 2 could not be written .*that of epoch 1 stays"):
            checkpoints.save(2, state, ROWS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in checkpoints.directory.iterdir()] == ["00000001"]
    assert checkpoints.restore(like(state)).epoch == 1


def test_the_checkpoints_of_parts_lie_below_and_have_their_own_settings(checkpoints):
    part = checkpoints.of_part("Residual learning, 4 tiles", {"num_tiles": 4})
    assert part.directory.name == "residual-learning-4-tiles"
    assert part.settings == SETTINGS | {"rule": {"num_tiles": 4}}


def test_one_is_due_after_so_many_epochs_and_at_the_end(checkpoints):
    some = Checkpoints(directory=checkpoints.directory, settings={}, every=3)
    assert [epoch for epoch in range(1, 9) if some.due(epoch, last=epoch == 8)] == [3, 6, 8]
    on_signals = Checkpoints(directory=checkpoints.directory, settings={})
    assert not on_signals.due(3, last=True)


def test_checkpoints_of_an_earlier_run_stay_unless_it_goes_on(checkpoints, state):
    checkpoints.save(1, state, [])
    data, device = load("digits", train_size=8), SoftBounds()
    with pytest.raises(ValueError, match=r"has the checkpoints of an earlier run: .*--resume"):
        run(
            RuleSettings(rule="analog-sgd"),
            DigitsNet(),
            device,
            data,
            epochs=1,
            batch_size=8,
            seeds=(0,),
            checkpoints=checkpoints,
        )


def test_several_processes_are_refused(tmp_path, monkeypatch):
    checkpoints = Checkpoints(directory=tmp_path, settings={})
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    for attempt in (lambda: checkpoints.save(1, {}, []), lambda: checkpoints.restore({})):
        with pytest.raises(ValueError, match="one process, this one has 2: use orbax itself"):
            attempt()
    assert not any(tmp_path.iterdir())
