"""Flax's own linen layers, called inside a model, with the product of an array instead."""

import contextlib
from collections.abc import Callable

from flax import linen as nn

from analogjax.nn._analog import Analog
from analogjax.nn._linen_products import convolution, dense, dense_general

KINDS = "nn.Dense, nn.DenseGeneral and nn.Conv"
# By the method, which a subclass that computes something else has not.
_PRODUCTS: dict[Callable, Callable] = {
    nn.Dense.__call__: dense,
    nn.DenseGeneral.__call__: dense_general,
    nn.Conv.__call__: convolution,
}


@contextlib.contextmanager
def analog_products(
    analog_of: Callable[[nn.Module], Analog | None],
    check: Callable[[nn.Module], None] = lambda layer: None,
):
    """While it lasts, layers for which ``analog_of`` is not None multiply by an array.

    Args:
      analog_of: what a dense or convolution layer is, or None to leave it alone.
      check: called with every other module that was called.
    """

    def interceptor(call, args, kwargs, context):
        layer = context.module
        product = _PRODUCTS.get(type(layer).__call__) if context.method_name == "__call__" else None
        if product is None or isinstance(layer, nn.ConvLocal):
            y = call(*args, **kwargs)
            check(layer)
            return y
        analog = analog_of(layer)
        return call(*args, **kwargs) if analog is None else product(layer, analog, *args, **kwargs)

    with nn.intercept_methods(interceptor):
        yield
