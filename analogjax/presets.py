"""Published devices, with the values fitted to them.

One function for each, which takes any field of the device it returns to override it::

    presets.reram_array_om(corrupt_devices_prob=0.1348)

Weights are normalised conductances (no unit). The fits are those that the open analog-training
simulators share; the papers named are those that the devices were measured in.
"""

from analogjax.devices import ConstantStep, ExpStep, LinearStep, SoftBoundsReference

__all__ = [
    "capacitor",
    "ecram",
    "ecram_mo",
    "gokmen_vlasov",
    "idealized",
    "pcm",
    "reram_array_hfo2",
    "reram_array_om",
    "reram_es",
    "reram_sb",
]


def reram_es(**fields) -> ExpStep:
    """ReRAM, exponential steps fitted to single devices; 1004 states.

    Reference: Gong et al., "Signal and noise extraction from analog memory elements for
    neuromorphic computing", Nat. Commun. 9:2102 (2018).

    Example:
      >>> from analogjax import presets
      >>> round(presets.reram_es().n_states.item())
      1004
    """
    values = {
        "dw_min": 0.00135,
        "dw_min_dtod": 0.2,
        "dw_min_std": 5.0,
        "up_down": 0.259359,
        "up_down_dtod": 0.05,
        "w_max": 1.0,
        "w_max_dtod": 0.3,
        "w_min": -1.0,
        "w_min_dtod": 0.3,
        "A_up": -1.18445,
        "A_down": -0.081404,
        "gamma_up": 5.0,
        "gamma_down": 5.0,
        "a": -0.5,
        "b": -0.5,
        "write_noise_std": 75.0,
    }
    return ExpStep(**{**values, **fields})


def reram_sb(**fields) -> SoftBoundsReference:
    """ReRAM, soft bounds loosely fitted to the devices of :func:`reram_es`; 1000 states.

    The devices are taken as calibrated to their symmetric points, hence the shifted range.

    Reference: Gong et al., Nat. Commun. 9:2102 (2018).

    Example:
      >>> from analogjax import presets
      >>> presets.reram_sb(dw_min=0.02).n_states
      100.0
    """
    values = {
        "dw_min": 0.002,
        "dw_min_dtod": 0.3,
        "dw_min_std": 3.75,
        "up_down_dtod": 0.01,
        "w_max": 1.25,
        "w_max_dtod": 0.24,
        "w_min": -0.75,
        "w_min_dtod": 0.4,
        "write_noise_std": 56.0,
    }
    return SoftBoundsReference(**{**values, **fields})


def reram_array_om(**fields) -> SoftBoundsReference:
    """ReRAM array, optimised material; 21 states.

    Symmetric points are subtracted but for an error of 0.05, a twentieth of a bound. Of the
    measured array 13.48 % of the crosspoints were corrupt; none are unless you set
    ``corrupt_devices_prob``.

    Reference: Gong, Rasch et al., "Deep learning acceleration in 14nm CMOS compatible ReRAM array:
    device, material and algorithm co-optimization", IEDM (2022).

    Example:
      >>> from analogjax import presets
      >>> round(presets.reram_array_om().n_states)
      21
    """
    values = {
        "dw_min": 0.0949,
        "dw_min_dtod": 0.7829,
        "dw_min_std": 0.4158,
        "w_max_dtod": 0.3499,
        "w_min_dtod": 0.5695,
        "write_noise_std": 1.4113,
    }
    return _reram_array({**values, **fields})


def reram_array_hfo2(**fields) -> SoftBoundsReference:
    """ReRAM array, baseline hafnium oxide; 4.3 states.

    As :func:`reram_array_om`; of the measured array 9.77 % of the crosspoints were corrupt.

    Reference: Gong, Rasch et al., IEDM (2022).

    Example:
      >>> from analogjax import presets
      >>> round(presets.reram_array_hfo2().n_states, 1)
      4.3
    """
    values = {
        "dw_min": 0.4622,
        "dw_min_dtod": 0.7125,
        "dw_min_std": 0.2174,
        "w_max_dtod": 0.4295,
        "w_min_dtod": 0.599,
        "write_noise_std": 0.5841,
    }
    return _reram_array({**values, **fields})


def _reram_array(fields) -> SoftBoundsReference:
    common = {
        "dw_min_dtod_log_normal": True,
        "w_max": 1.0,
        "w_min": -1.0,
        "up_down_dtod": 0.01,
        "corrupt_devices_range": 0.01,
        "subtract_symmetry_point": True,
        "reference_std": 0.05,
    }
    return SoftBoundsReference(**{**common, **fields})


def capacitor(**fields) -> LinearStep:
    """A capacitor as the weight, nearly linear and leaking slowly; 400 states.

    Reference: Li et al., "Capacitor-based cross-point array for analog neural network with record
    symmetry and linearity", VLSI (2018).

    Example:
      >>> from analogjax import presets
      >>> round(presets.capacitor().n_states)
      400
    """
    values = {
        "dw_min": 0.005,
        "dw_min_dtod": 0.1,
        "dw_min_std": 0.3,
        "up_down_dtod": 0.06,
        "w_max": 1.0,
        "w_max_dtod": 0.07,
        "w_min": -1.0,
        "w_min_dtod": 0.07,
        "gamma_up": 0.05,
        "gamma_up_dtod": 0.01,
        "gamma_down": 0.05,
        "gamma_down_dtod": 0.01,
        "mult_noise": False,
        "lifetime": 1e6,
        "lifetime_dtod": 0.3,
    }
    return LinearStep(**{**values, **fields})


def ecram(**fields) -> LinearStep:
    """Lithium-based electrochemical RAM; 1000 states, range shifted to be symmetric at zero.

    Reference: Tang et al., "ECRAM as scalable synaptic cell for high-speed, low-power neuromorphic
    computing", IEDM (2018).

    Example:
      >>> from analogjax import presets
      >>> round(presets.ecram().n_states)
      1000
    """
    values = {
        "dw_min": 0.002,
        "dw_min_std": 0.3,
        "w_max": 1.1724,
        "w_min": -0.8276,
        "gamma_up": 0.1153,
        "gamma_down": 0.5085,
    }
    return _ecram({**values, **fields})


def ecram_mo(**fields) -> LinearStep:
    """Metal-oxide electrochemical RAM; 7089 states, range shifted to be symmetric at zero.

    Reference: Kim et al., "Metal-oxide based, CMOS-compatible ECRAM for deep learning accelerator",
    IEDM (2019).

    Example:
      >>> from analogjax import presets
      >>> round(presets.ecram_mo().n_states)
      7089
    """
    values = {
        "dw_min": 2.8214e-4,
        "dw_min_std": 2.0,
        "w_max": 1.1714,
        "w_min": -0.8286,
        "gamma_up": 0.4152,
        "gamma_down": 0.7342,
    }
    return _ecram({**values, **fields})


def _ecram(fields) -> LinearStep:
    common = {
        "dw_min_dtod": 0.1,
        "up_down_dtod": 0.01,
        "w_max_dtod": 0.05,
        "w_min_dtod": 0.05,
        "gamma_up_dtod": 0.05,
        "gamma_down_dtod": 0.05,
    }
    return LinearStep(**{**common, **fields})


def idealized(**fields) -> ConstantStep:
    """A device that is symmetric on average, as :func:`gokmen_vlasov` but finer; 10000 states.

    Reference: Rasch, Gokmen, Haensch, "Training large-scale artificial neural networks on simulated
    resistive crossbar arrays", IEEE Design & Test 37 (2020), arXiv:1906.02698.

    Example:
      >>> from analogjax import presets
      >>> round(presets.idealized().n_states)
      10000
    """
    return _constant({"dw_min": 2e-4, "up_down_dtod": 0.0, **fields})


def gokmen_vlasov(**fields) -> ConstantStep:
    """The device that the first proposal of analog training asks for; 1250 states.

    Reference: Gokmen and Vlasov, "Acceleration of deep neural network training with resistive
    cross-point devices", Front. Neurosci. 10:333 (2016), scaled to the range -1 to 1.

    Example:
      >>> from analogjax import presets
      >>> round(presets.gokmen_vlasov().n_states)
      1250
    """
    return _constant({"dw_min": 0.0016, "up_down_dtod": 0.01, **fields})


def _constant(fields) -> ConstantStep:
    common = {
        "dw_min_dtod": 0.3,
        "dw_min_std": 0.3,
        "w_max": 1.0,
        "w_max_dtod": 0.3,
        "w_min": -1.0,
        "w_min_dtod": 0.3,
    }
    return ConstantStep(**{**common, **fields})


def pcm(**fields) -> ExpStep:
    """Phase-change memory (Ge2Sb2Te5), one conductance of it; 62 states.

    Such a conductance can only be raised step by step, so that a weight takes a pair of them. This
    is one of the pair, from 0 to 2.

    Reference: Nandakumar et al., "Mixed-precision deep learning based on computational memory",
    Front. Neurosci. 14:406 (2020).

    Example:
      >>> from analogjax import presets
      >>> round(presets.pcm().n_states.item())
      62
    """
    values = {
        "dw_min": 0.01,
        "dw_min_dtod": 0.2,
        "dw_min_std": 0.6,
        "dw_min_std_add": 0.042,
        "dw_min_std_slope": 0.108,
        "up_down_dtod": 0.05,
        "w_max": 2.0,
        "w_max_dtod": 0.1,
        "w_min": 0.0,
        "w_min_dtod": 0.0,
        "A_up": -27.235,
        "A_down": -2.235,
        "gamma_up": 2.5,
        "gamma_down": 2.5,
        "a": -1.0,
        "b": 0.0,
        "reset": 0.01,
        "reset_std": 0.01,
        "reset_dtod": 0.02,
    }
    return ExpStep(**{**values, **fields})
