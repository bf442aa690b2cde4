"""One weight matrix, as far as its cost goes."""

import dataclasses
from collections.abc import Sequence


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


def check_layers(layers: Sequence[Layer]) -> None:
    """Raises a ValueError if there are none, two of one name, or one of an impossible size."""
    if not layers:
        raise ValueError("There is no layer to reckon: give at least one.")
    names = [layer.name for layer in layers]
    for layer in layers:
        for field in ("inputs", "outputs", "groups", "vectors"):
            value = getattr(layer, field)
            if not value > 0 or (field != "vectors" and int(value) != value):
                raise ValueError(f"{field} of layer '{layer.name}' must be above 0, got {value}.")
        if names.count(layer.name) > 1:
            raise ValueError(f"Two layers are called '{layer.name}'.")
