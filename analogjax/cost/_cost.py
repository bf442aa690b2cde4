"""What an update costs, layer by layer and in all."""

import dataclasses
from collections.abc import Iterator

from analogjax.cost._layer import Layer


@dataclasses.dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one vector pair costs on one layer; units are in the names.

    Attributes:
      layer: the layer.
      storage_bytes: digital memory for the update.
      memory_bits: loaded from and stored in it.
      load_bits: loaded to send the vectors.
      fp_ops: floating-point operations.
      conversions: from analog to digital, in passes and transfers.
      digital_time_ns: time of the operations.
      analog_time_ns: time of pulses and reads.
      pulse_energy_nj: energy of the pulses.
      transfer_energy_nj: energy of the reads for transfers.
      digital_energy_nj: energy of the operations.
      pass_energy_nj: energy of the forward and the backward pass.
      arrays: number of arrays, a main and a reference one for each tile.
      area_mm2: what they cover.
    """

    layer: Layer
    storage_bytes: float
    memory_bits: float
    load_bits: float
    fp_ops: float
    conversions: float
    digital_time_ns: float
    analog_time_ns: float
    pulse_energy_nj: float
    transfer_energy_nj: float
    digital_energy_nj: float
    pass_energy_nj: float
    arrays: float
    area_mm2: float

    @property
    def time_ns(self) -> float:
        """Time of the update, one part after the other."""
        return self.digital_time_ns + self.analog_time_ns


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """What training costs a sample, all layers together; units are in the names.

    Attributes:
      layers: the cost of each layer, for one vector pair.
    """

    layers: tuple[LayerCost, ...]

    @property
    def storage_bytes(self) -> float:
        """Digital memory for the update of one vector pair on each layer."""
        return sum(cost.storage_bytes for cost in self.layers)

    @property
    def arrays(self) -> float:
        """Number of arrays."""
        return sum(cost.arrays for cost in self.layers)

    @property
    def area_mm2(self) -> float:
        """What the arrays cover."""
        return sum(cost.area_mm2 for cost in self.layers)

    @property
    def time_ns(self) -> float:
        """Time of the update of one vector pair: layers run in parallel, the slowest counts."""
        return max(cost.time_ns for cost in self.layers)

    @property
    def sample_time_ns(self) -> float:
        """Time of the updates of a sample: its vector pairs follow each other on a layer."""
        return max(cost.layer.vectors * cost.time_ns for cost in self.layers)

    @property
    def memory_bits(self) -> float:
        """Bits loaded and stored for a sample."""
        return self._of_sample("memory_bits")

    @property
    def load_bits(self) -> float:
        """Bits loaded to send the vectors of a sample."""
        return self._of_sample("load_bits")

    @property
    def fp_ops(self) -> float:
        """Floating-point operations of a sample."""
        return self._of_sample("fp_ops")

    @property
    def conversions(self) -> float:
        """Conversions from analog to digital of a sample."""
        return self._of_sample("conversions")

    @property
    def pulse_energy_nj(self) -> float:
        """Energy of the pulses of a sample."""
        return self._of_sample("pulse_energy_nj")

    @property
    def transfer_energy_nj(self) -> float:
        """Energy of the reads for transfers of a sample."""
        return self._of_sample("transfer_energy_nj")

    @property
    def digital_energy_nj(self) -> float:
        """Energy of the operations of a sample."""
        return self._of_sample("digital_energy_nj")

    @property
    def pass_energy_nj(self) -> float:
        """Energy of the forward and the backward pass of a sample."""
        return self._of_sample("pass_energy_nj")

    @property
    def update_energy_nj(self) -> float:
        """Energy of the updates of a sample."""
        return self.pulse_energy_nj + self.transfer_energy_nj + self.digital_energy_nj

    @property
    def energy_nj(self) -> float:
        """Energy of a sample: its passes and its updates."""
        return self.update_energy_nj + self.pass_energy_nj

    def totals(self) -> dict[str, float]:
        """Every total by its name, to be written to a file."""
        return dict(self._totals())

    def _totals(self) -> Iterator[tuple[str, float]]:
        for name, member in vars(Cost).items():
            if isinstance(member, property):
                yield name, float(getattr(self, name))

    def _of_sample(self, name: str) -> float:
        return sum(cost.layer.vectors * getattr(cost, name) for cost in self.layers)
