"""The cost of an update, from the settings of a rule or from the counters of a run."""

import dataclasses
import math
from collections.abc import Iterable, Mapping

import numpy as np

from analogjax.cost._cost import Cost, LayerCost
from analogjax.cost._counters import Counters
from analogjax.cost._layer import Layer, checked_layers
from analogjax.cost._plain import is_number, plain, with_plain_numbers
from analogjax.cost._technology import PUBLISHED, Technology, check_technology
from analogjax.cost._update_rule import (
    Activity,
    PulsedRule,
    Sizes,
    UpdateRule,
    VectorSize,
    check_rule,
)


def update_cost(
    layers: Iterable[Layer],
    rule: UpdateRule,
    technology: Technology = PUBLISHED,
    *,
    vector_size: VectorSize = "inputs",
) -> Cost:
    r"""What training costs a sample, by the published formulas.

    Of a vector pair on one layer, with s slots of pulse trains and r lines read on average, as
    ``rule`` has them, and its operations ops,

    .. math:: t = \frac{ops}{R} + s\,t_p + r\,t_M, \qquad
      E = P\,s\,t_p + r\,E_f + ops\,e + E_{f+b}

    with the rate R of a digital unit, the power P of the lines of the layer and the energies
    :math:`E_f` of a read and :math:`E_{f+b}` of both passes.

    Args:
      layers: the weight matrices, such as :func:`layers_of` finds in a model.
      rule: the rule and its settings, such as :class:`ResidualLearning`.
      technology: the constants.
      vector_size: how many numbers the two vectors of an N by M layer are taken for: "inputs", N
        for each, as in the published tables, or their "own", N and M.

    Returns:
      The cost, layer by layer and in all.

    Raises:
      ValueError: if there is no layer, or a size, a setting or a constant is out of its range.
      TypeError: if these are no layers, no rule or no constants.

    Reference: Rasch et al., Nat. Commun. 15:7133 (2024), Table 1; Li et al., arXiv:2510.02516,
    appendix I.2.

    Example:
      >>> from analogjax.cost import Layer, ResidualLearning, update_cost
      >>> layers = [Layer(name="0", inputs=785, outputs=250, backward=False),
      ...           Layer(name="1", inputs=250, outputs=10)]
      >>> cost = update_cost(layers, ResidualLearning(num_tiles=4))
      >>> round(cost.pass_energy_nj, 2)  # 4 times 9.44 nJ.
      37.76
    """
    layers = checked_layers(layers)
    rule, technology = _checked(rule, technology)
    costs = [_cost_of(each, rule, rule.activity(each), technology, vector_size) for each in layers]
    return Cost(layers=tuple(costs))


def counted_cost(
    layers: Iterable[Layer],
    rule: UpdateRule,
    counters: Mapping[str, Counters],
    samples: float,
    technology: Technology = PUBLISHED,
    *,
    vector_size: VectorSize = "inputs",
) -> Cost:
    """What a run has cost a sample: as :func:`update_cost`, with what was counted on its tiles.

    Counted are the slots of the pulse trains, which are fewer where gradients are small or zero,
    and the lines read. The number of vector pairs and all that goes with it (operations, passes,
    conversions) follows from the number of samples and the shapes.

    Args:
      layers: the weight matrices, such as :func:`layers_of` finds in a model.
      rule: the rule, for its formulas of storage and operations.
      counters: of the run, from :func:`counters_of`, for each layer.
      samples: how many the run was trained on, repetitions included.
      technology: the constants.
      vector_size: as for :func:`update_cost`.

    Returns:
      The cost of an average sample of the run.

    Raises:
      ValueError: as :func:`update_cost`, or if the counters are not those of these layers and of
        one run of the rule, have pulses but no trains, or there were no samples.
      TypeError: as :func:`update_cost`.

    Example:
      >>> import numpy as np
      >>> from analogjax.cost import AnalogSGD, Counters, Layer, counted_cost
      >>> layers = [Layer(name="kernel", inputs=512, outputs=512)]
      >>> counters = {"kernel": Counters(*np.array([[700.0], [150.0], [0.0]]))}
      >>> cost = counted_cost(layers, AnalogSGD(), counters, samples=100)
      >>> cost.layers[0].analog_time_ns  # 1.5 slots a sample.
      7.5
    """
    layers = checked_layers(layers)
    rule, technology = _checked(rule, technology)
    samples = plain(samples)
    if not is_number(samples) or not 0 < samples < math.inf:
        raise ValueError(f"samples must be a finite number above 0, got {samples!r}.")
    names = [layer.name for layer in layers]
    if set(names) != set(counters):
        raise ValueError(f"The layers are {names}, but the counters are of {[*counters]}.")
    costs = []
    for layer in layers:
        _check_tiles(layer, rule, counters[layer.name])
        activity, train = _counted_activity(layer, counters[layer.name], samples)
        own = rule
        if isinstance(rule, PulsedRule):
            own = dataclasses.replace(rule, pulses_per_vector=train)
        costs.append(_cost_of(layer, own, activity, technology, vector_size))
    return Cost(layers=tuple(costs))


def _checked(rule: UpdateRule, technology: Technology) -> tuple[UpdateRule, Technology]:
    """Both with plain numbers; raises an error if one is out of its range."""
    check_rule(rule)
    check_technology(technology)
    return with_plain_numbers(rule), with_plain_numbers(technology)


def _check_tiles(layer: Layer, rule: UpdateRule, counters: Counters) -> None:
    """Raises a ValueError if the counters are not those of one run of the rule."""
    shape = np.shape(counters.slots)
    if len(shape) != 1:
        raise ValueError(
            f"Counters of '{layer.name}' must be of one run, (tiles,), got {shape}: take those of "
            f"one seed."
        )
    if shape != (rule.tiles,):
        raise ValueError(
            f"{type(rule).__name__} has {rule.tiles} tiles, but '{layer.name}' was counted on "
            f"{shape[0]}."
        )


def _counted_activity(layer: Layer, counters: Counters, samples: float) -> tuple[Activity, float]:
    """What a vector pair made happen, and the slots of the train of its gradient."""
    pulses, slots, reads = (np.asarray(part, float) for part in counters)
    if np.any((pulses > 0) & (slots == 0)):
        raise ValueError(
            f"Pulses of '{layer.name}' were counted, but no trains: train with factors, and a "
            f"pulse scheme that has trains of a length."
        )
    # The groups of a matrix, arrays of their own, are sent their vectors at the same time; lines
    # are read and written in all of them at once.
    parallel = float(slots[:-1].sum() + slots[-1] / layer.groups)
    pairs = samples * layer.vectors
    activity = Activity(parallel / pairs, float(reads.sum()) / pairs)
    return activity, float(slots[-1]) / layer.groups / pairs


def _cost_of(
    layer: Layer,
    rule: UpdateRule,
    activity: Activity,
    technology: Technology,
    vector_size: VectorSize,
) -> LayerCost:
    """The cost of one vector pair on a layer, by what it makes happen."""
    n = Sizes.of(layer, vector_size)
    slots, reads = activity
    ops = rule.fp_ops(n, reads)
    ops_per_ns = 1e3 * technology.digital_tflops / technology.arrays_per_digital_unit
    slot_ns = technology.sign_phases * technology.pulse_time_ns
    passes = layer.outputs + layer.backward * layer.inputs
    read_tiles = 1 if technology.shared_converters else rule.read_tiles
    arrays = 2 * rule.tiles * layer.groups
    footprint_um2 = technology.crosspoint_pitch_um**2 * layer.inputs * layer.outputs
    covering = layer.groups if technology.stacked_tiles else arrays
    return LayerCost(
        layer=layer,
        storage_bytes=rule.stored_numbers(n) * technology.number_bits / 8,
        memory_bits=rule.memory_bits(n, reads, technology.number_bits),
        load_bits=rule.load_bits(n, technology.number_bits),
        fp_ops=ops,
        conversions=(read_tiles * passes + reads * layer.outputs) * layer.groups,
        digital_time_ns=ops / ops_per_ns,
        analog_time_ns=slots * slot_ns + reads * technology.read_time_ns,
        pulse_energy_nj=rule.pulse_energy_nj(layer, slots, technology),
        transfer_energy_nj=reads * technology.forward_energy_pj_per_line * layer.lines / 1e3,
        digital_energy_nj=ops * technology.digital_energy_pj_per_op / 1e3,
        pass_energy_nj=rule.pass_energy_nj(layer, technology),
        arrays=arrays,
        area_mm2=footprint_um2 * covering / 1e6,
    )
