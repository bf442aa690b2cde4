"""When a staged warm start moves on to the next tile."""

import dataclasses
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from analogjax.devices import check_count
from analogjax.rules._checks import check_range, check_rate


class WarmStart(Protocol):
    """Decides the stage of a warm start: 0, 1, ... until the rule has no further one."""

    def init(self) -> Any:
        """The state before the first step."""

    def advance(self, state: Any, count: jax.Array, value: jax.Array | None) -> tuple[Any, Any]:
        """The next state, and the stage of this step (int32).

        Args:
          state: the state before.
          count: number of steps made before this one.
          value: the loss of this step, or None.
        """


@dataclasses.dataclass(frozen=True)
class Stages:
    """A new stage every ``steps`` steps.

    Attributes:
      steps: length of a stage in steps (mini-batches), at least 1.

    Example:
      >>> from analogjax import Stages
      >>> stages = Stages(100)
      >>> int(stages.advance(stages.init(), 250, None)[1])
      2
    """

    steps: int

    def init(self) -> tuple[()]:
        """Nothing needs to be kept: the stage follows from the step."""
        check_count("Stages.steps", self.steps)
        return ()

    def advance(self, state, count, value):
        """The stage of step ``count``; the loss plays no part."""
        del value
        return state, count // check_count("Stages.steps", self.steps)


# In the place of a mean that there is not yet. After it no mean rises; NaN would stop debug_nans.
_NONE = np.finfo(np.float32).max


class PlateauState(NamedTuple):
    """What :class:`Plateau` remembers.

    Attributes:
      stage: number of plateaus seen, int32.
      total: sum of the losses of the current window.
      count: number of losses in that sum, int32.
      means: mean losses of the last windows, oldest first, ``(6,)``; the largest float32
        where there is none yet.
    """

    stage: jax.Array
    total: jax.Array
    count: jax.Array  # type: ignore[assignment]
    means: jax.Array


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plateau:
    r"""A new stage whenever the loss, given as ``value=``, stops falling.

    Losses are averaged over windows of ``window`` steps (an epoch, say). The first ``eager``
    stages end as soon as one window is worse than the one before,
    :math:`L_t - L_{t-1} > threshold`; later ones when at least 2 of the last 5 differences exceed
    ``patient_threshold``, which needs 6 windows. A new stage starts with an empty memory.

    Attributes:
      window: number of steps averaged before a decision.
      eager: number of stages that end at the first rise.
      threshold: how much of a rise counts.
      patient_threshold: the same for the later stages, of any sign; ``threshold`` if None.

    Reference: Li et al., arXiv:2510.02516, Algorithm 1 and appendix; the paper tests every step
    with threshold 0, its code every epoch with 1e-4, and -0.01 for the later stages of LeNet.

    Example:
      >>> import jax.numpy as jnp
      >>> from analogjax import Plateau
      >>> plateau = Plateau()
      >>> state = plateau.init()
      >>> for loss in (1.0, 0.5, 0.6, 0.4):
      ...     state, stage = plateau.advance(state, 0, jnp.float32(loss))
      ...     print(int(stage))
      0
      0
      1
      1
    """

    window: int = 1
    eager: int = 4
    threshold: float = 0.0
    patient_threshold: float | None = None

    def init(self) -> PlateauState:
        """No plateau seen and nothing remembered."""
        check_count("Plateau.window", self.window)
        check_count("Plateau.eager", self.eager, 0)
        check_rate("Plateau.threshold", self.threshold)
        if self.patient_threshold is not None:
            check_range("Plateau.patient_threshold", self.patient_threshold, -np.inf, np.inf)
        # Arrays of their own, so that a state can be donated.
        stage, count = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
        return PlateauState(stage, jnp.zeros(()), count, jnp.full((6,), _NONE))

    def advance(self, state: PlateauState, count, value):
        """Takes the loss of this step in and says which stage the step belongs to.

        Raises:
          ValueError: if there is no loss to look at.
        """
        del count
        if value is None:
            raise ValueError(
                "warm_start=Plateau needs the loss: call update(..., value=loss), or use "
                "warm_start=Stages(steps), which needs none."
            )
        total, seen = state.total + jnp.asarray(value, jnp.float32), state.count + 1
        full = seen >= self.window
        means = jnp.where(full, jnp.roll(state.means, -1).at[-1].set(total / seen), state.means)
        rises = jnp.diff(means)
        eager = rises[-1] > self.threshold
        least = self.threshold if self.patient_threshold is None else self.patient_threshold
        patient = (jnp.abs(means[0]) < _NONE) & (jnp.sum(rises > least) >= 2)
        trigger = full & jnp.where(state.stage < self.eager, eager, patient)
        new = PlateauState(
            stage=state.stage + trigger,
            total=jnp.where(full, 0.0, total),
            count=jnp.where(full, 0, seen),
            means=jnp.where(trigger, _NONE, means),
        )
        return new, new.stage
