"""Labels of parameters: which live on arrays."""

import jax.numpy as jnp
import pytest
from flax import nnx

from analogjax.nn import labels
from analogjax.nn import nnx as annx

PARAMS = {
    "Conv_0": {"kernel": jnp.zeros((3, 3, 1, 2)), "bias": jnp.zeros(2)},
    "Dense_0": {"kernel": jnp.zeros((2, 3)), "bias": jnp.zeros(3)},
    "LayerNorm_0": {"scale": jnp.zeros(3), "kernel": jnp.zeros(3)},
    "Embed_0": {"embedding": jnp.zeros((4, 3)), "old_kernel": jnp.zeros((2, 2))},
}


def analog(tree):
    return {(layer, name) for layer, node in tree.items() for name in node
            if node[name] == "analog"}  # fmt: skip


def test_kernels_with_two_axes_are_analog_and_all_else_is_digital():
    made = labels(PARAMS)
    assert analog(made) == {("Conv_0", "kernel"), ("Dense_0", "kernel")}
    words = {word for node in made.values() for word in node.values()}
    assert words == {"analog", "digital"}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"Dense_\d+/kernel", {("Dense_0", "kernel")}),
        ("embedding", {("Embed_0", "embedding")}),
        ("^Conv", {("Conv_0", "kernel")}),
    ],
)
def test_a_pattern_chooses_by_path(pattern, expected):
    assert analog(labels(PARAMS, pattern)) == expected


@pytest.mark.parametrize("pattern", ["nothing", "bias"])
def test_a_pattern_without_any_matrix_is_refused(pattern):
    with pytest.raises(
        ValueError, match=rf"'Dense_0/kernel'.*, has a path that matches '{pattern}"
    ):
        labels(PARAMS, pattern)


def test_nnx_parameters_are_labelled_as_linen_ones():
    model = nnx.Dict(
        conv=annx.Conv(1, 2, (3, 3), rngs=nnx.Rngs(0)),
        norm=nnx.BatchNorm(2, rngs=nnx.Rngs(0)),
        layers=nnx.List([annx.Linear(2, 3, rngs=nnx.Rngs(0))]),
    )
    made = nnx.to_pure_dict(labels(nnx.state(model, nnx.Param)))
    assert made == {
        "conv": {"kernel": "analog", "bias": "digital"},
        "norm": {"scale": "digital", "bias": "digital"},
        "layers": {0: {"kernel": "analog", "bias": "digital"}},
    }
