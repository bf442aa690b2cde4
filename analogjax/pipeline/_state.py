"""What a pipeline is between two runs."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class PipelineState(NamedTuple):
    """Everything that a training in a pipeline is, between two runs of it.

    Attributes:
      params: parameters of each stage, by the names that the model gives its layers.
      variables: other collections of each stage: scales of a mapping.
      opt_state: state of the rule of each stage, the tiles included.
      key: root key of the noise of reads; never consumed.
      count: number of mini-batches learned, int32.
    """

    params: tuple[Any, ...]
    variables: tuple[Any, ...]
    opt_state: tuple[Any, ...]
    key: jax.Array
    count: jax.Array  # type: ignore[assignment]

    def model_variables(self) -> dict[str, Any]:
        """The variables of the whole model, for its ``apply``."""
        joined: dict[str, Any] = {"params": {}}
        for own in self.params:
            joined["params"] |= own
        for collections in self.variables:
            for name, own in collections.items():
                joined[name] = joined.get(name, {}) | own
        return joined


def read_key(key: jax.Array, micro_batch) -> jax.Array:
    """The key of the noise in all reads of a micro-batch, numbered from the start of a training."""
    return jax.random.fold_in(key, jnp.asarray(micro_batch).astype(jnp.uint32))
