"""Patches of an input, as JAX's own convolution sees them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from analogjax.nn import extract_patches

CASES = {
    "2d": ((2, 5, 6, 3), (2, 3), (1, 1), "VALID", (1, 1)),
    "2d_same_strided": ((1, 6, 5, 2), (3, 3), (2, 3), "SAME", (1, 1)),
    "2d_dilated": ((2, 7, 6, 1), (2, 2), (1, 2), ((1, 2), (0, 1)), (3, 2)),
    "2d_many_channels": ((2, 5, 6, 20), (2, 3), (2, 1), ((0, 1), (1, 0)), (1, 2)),
    "2d_whole_input": ((1, 3, 2, 2), (3, 2), (1, 1), "VALID", (1, 1)),
    "1d_same_lower": ((2, 7, 2), (4,), (2,), "SAME_LOWER", (1,)),
    "3d": ((1, 3, 4, 3, 2), (2, 2, 1), (1, 2, 1), "VALID", (1, 1, 2)),
}


def patches_of_jax(x, size, strides, padding, dilation):
    spatial = "DHW"[-len(size) :]
    patches = lax.conv_general_dilated_patches(
        x,
        size,
        strides,
        padding,
        rhs_dilation=dilation,
        dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"),
        precision=lax.Precision.HIGHEST,
    )
    # JAX puts the channels before the positions in the kernel, a flax kernel after them.
    by_kernel = patches.reshape(*patches.shape[:-1], x.shape[-1], int(np.prod(size)))
    return jnp.swapaxes(by_kernel, -1, -2).reshape(patches.shape)


@pytest.mark.parametrize("case", CASES)
def test_patches_and_their_derivatives_are_those_of_jax(case):
    shape, *settings = CASES[case]
    x, change = jax.random.normal(jax.random.key(0), (2, *shape))

    def derivatives(of):
        y, tangent = jax.jvp(lambda x: of(x, *settings), (x,), (change,))
        weight = jax.random.normal(jax.random.key(1), y.shape)
        return (y, tangent), jax.grad(lambda x: (of(x, *settings) * weight).sum())(x)

    ours, gradient = jax.jit(lambda: derivatives(extract_patches))()
    theirs, expected = jax.jit(lambda: derivatives(patches_of_jax))()
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", ["valid", "CIRCULAR", "nonsense"])
def test_an_unknown_padding_is_refused_by_name(padding):
    with pytest.raises(ValueError, match=f"padding must be .* got '{padding}'"):
        extract_patches(jnp.ones((1, 4, 1)), (2,), (1,), padding, (1,))


@pytest.mark.parametrize(
    ("size", "padding", "dilation"), [(5, "VALID", 1), (3, "VALID", 2), (7, ((1, 1),), 1)]
)
def test_a_kernel_larger_than_the_padded_input_is_refused(size, padding, dilation):
    with pytest.raises(ValueError, match=rf"size \({size},\) does not fit .* size \(4,\)"):
        extract_patches(jnp.ones((1, 4, 1)), (size,), (1,), padding, (dilation,))


def test_the_largest_dilated_kernel_that_fits_is_accepted():
    assert extract_patches(jnp.ones((1, 5, 1)), (3,), (1,), "VALID", (2,)).shape == (1, 1, 3)


@pytest.mark.parametrize("shape", [(4, 1), (1, 4, 4, 1)])
def test_an_input_without_its_batch_axis_is_told_its_shape(shape):
    with pytest.raises(ValueError, match=r"of 3 axes, got the shape \(.*4, 1\)"):
        extract_patches(jnp.ones(shape), (2,), (1,), "VALID", (1,))
