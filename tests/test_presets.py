"""Published devices: their numbers of states, and that each can be made and changed."""

import inspect
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from analogjax import presets

N_STATES = {
    "capacitor": 400,
    "ecram": 1000,
    "ecram_mo": 7089,
    "gokmen_vlasov": 1250,
    "idealized": 10000,
    "pcm": 61.8,
    "reram_array_hfo2": 4.327,
    "reram_array_om": 21.07,
    "reram_es": 1004,
    "reram_sb": 1000,
}


def table_of_presets() -> str:
    """The table in docs/devices.md."""
    rows = ["| preset | model | `dw_min` | states | measured in |", "|---|---|---|---|---|"]
    for name in presets.__all__:
        maker = getattr(presets, name)
        device = maker()
        paper = " ".join(inspect.getdoc(maker).split("Reference: ")[1].split("\n\n")[0].split())
        rows.append(
            f"| `{name}` | `{type(device).__name__}` | {device.dw_min:g} "
            f"| {float(device.n_states):.4g} | {paper} |"
        )
    return "\n".join(rows) + "\n"


def test_the_documented_table_is_that_of_the_code():
    table = table_of_presets()
    page = Path(__file__).parents[1] / "docs" / "devices.md"
    assert table in page.read_text(), f"put this table into docs/devices.md:\n{table}"


def test_every_preset_has_a_row():
    assert set(N_STATES) == set(presets.__all__)


@pytest.mark.parametrize("name", N_STATES)
def test_preset_has_the_published_number_of_states(name):
    assert float(getattr(presets, name)().n_states) == pytest.approx(N_STATES[name], rel=1e-3)


@pytest.mark.parametrize("name", N_STATES)
def test_preset_can_be_sampled_pulsed_and_overridden(name):
    device = getattr(presets, name)(corrupt_devices_prob=1.0, up_down_dtod=0.0)
    assert device.up_down_dtod == 0
    cells = device.sample(jax.random.key(0), (20, 20))
    assert jnp.all(cells.w_max == cells.w_min)
    alive = getattr(presets, name)().sample(jax.random.key(0), (20, 20))
    w = device.program(alive, jnp.zeros((20, 20)))
    moved = device.apply_pulse(jax.random.key(1), alive, w, 1)
    assert jnp.isfinite(moved).all()
    assert jnp.mean(moved > w) > 0.4  # noise may move a single pulse the other way
