"""One weight matrix, as far as its cost goes."""

import dataclasses
import math
from collections.abc import Iterable

from analogjax.cost._plain import is_number, with_plain_numbers


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layer:
    """The shape of one weight matrix on arrays, and how often a sample uses it.

    Attributes:
      name: path of its parameter, such as ``Dense_0/kernel``.
      inputs: input lines of an array.
      outputs: output lines of an array.
      vectors: vector pairs (x, delta) that a sample sends to it: 1 for a dense layer, the number of
        positions for a convolution, the length of the sequence for text.
      groups: arrays of these lines side by side, each with vectors of its own: the feature groups
        of a convolution.
      backward: whether errors go back through it, as they do unless it is the first layer.

    Example:
      >>> from analogjax.cost import Layer
      >>> Layer(name="hidden", inputs=785, outputs=250, backward=False).crosspoints
      196250
    """

    name: str
    inputs: int
    outputs: int
    vectors: float = 1
    groups: int = 1
    backward: bool = True

    @property
    def crosspoints(self) -> int:
        """Number of weights."""
        return self.inputs * self.outputs * self.groups

    @property
    def lines(self) -> int:
        """Number of input and output lines."""
        return (self.inputs + self.outputs) * self.groups


def checked_layers(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """The layers, of which there must be some, of different names and of possible sizes.

    Raises:
      TypeError: if these are no layers.
      ValueError: if there are none, two of one name, or one of an impossible size.
    """
    if isinstance(layers, Layer):
        raise TypeError(f"layers must be a list, got the one layer '{layers.name}': give [layer].")
    layers = tuple(layers)
    if not layers:
        raise ValueError("There is no layer to reckon: give at least one.")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise TypeError(f"layers must be a list of Layer, got one of {type(layer).__name__}.")
    layers = tuple(map(with_plain_numbers, layers))
    names = [layer.name for layer in layers]
    for layer in layers:
        for field in ("inputs", "outputs", "groups"):
            value = getattr(layer, field)
            if not is_number(value) or not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"{field} of layer '{layer.name}' must be a whole number above 0, got "
                    f"{value!r}."
                )
        if not is_number(layer.vectors) or not 0 < layer.vectors < math.inf:
            raise ValueError(
                f"vectors of layer '{layer.name}' must be a finite number above 0, got "
                f"{layer.vectors!r}."
            )
        if names.count(layer.name) > 1:
            raise ValueError(f"Two layers are called '{layer.name}'.")
    return layers
