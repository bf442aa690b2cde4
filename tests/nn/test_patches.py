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
    "2d_whole_input": ((1, 3, 2, 2), (3, 2), (1, 1), "VALID", (1, 1)),
    "1d_same_lower": ((2, 7, 2), (4,), (2,), "SAME_LOWER", (1,)),
    "3d": ((1, 3, 4, 3, 2), (2, 2, 1), (1, 2, 1), "VALID", (1, 1, 2)),
}


@pytest.mark.parametrize("case", CASES)
def test_patches_are_those_of_jax_up_to_the_order_of_channels(case):
    shape, size, strides, padding, dilation = CASES[case]
    x = jax.random.normal(jax.random.key(0), shape)
    spatial = "DHW"[-len(size) :]

    @jax.jit
    def both(x):
        return extract_patches(x, size, strides, padding, dilation), (
            lax.conv_general_dilated_patches(
                x,
                size,
                strides,
                padding,
                rhs_dilation=dilation,
                dimension_numbers=(f"N{spatial}C", f"{spatial}IO", f"N{spatial}C"),
                precision=lax.Precision.HIGHEST,
            )
        )

    ours, theirs = both(x)
    # JAX puts the channels before the positions in the kernel, a flax kernel after them.
    by_kernel = theirs.reshape(*theirs.shape[:-1], shape[-1], int(np.prod(size)))
    expected = jnp.swapaxes(by_kernel, -1, -2).reshape(theirs.shape)
    np.testing.assert_array_equal(ours, expected)


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
