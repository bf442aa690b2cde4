"""Records weights on phase-change memory over time of an independent simulator, to compare with.

Run in an environment with aihwkit 1.1.0 and torch (not needed by anything else here):

    python tests/data/record_inference.py

Writes inference.npz and inference.json beside this file. ``NAME/w`` are the weights of one matrix,
``NAME/programmed_mean`` and ``NAME/programmed_std`` what they are right after programming over
``reps`` matrices, ``NAME/mean`` and ``NAME/std``, (times, weights), what they are at ``times``.
"""

import json
from pathlib import Path

import numpy as np
import torch
from aihwkit.inference import PCMLikeNoiseModel

WEIGHTS = [-0.8, -0.5, -0.2, -0.05, 0.0, 0.01, 0.1, 0.3, 0.6, 0.8]
TIMES = [0.0, 1.0, 60.0, 3600.0, 86400.0, 2592000.0, 31536000.0]
REPS = 20_000
CASES = {
    "pcm": {},
    "pcm_drift_only": {"prog_noise_scale": 0.0, "read_noise_scale": 0.0},
    "pcm_read_only": {"prog_noise_scale": 0.0, "drift_scale": 0.0},
    "pcm_scaled": {"prog_noise_scale": 2.0, "drift_scale": 0.5, "read_noise_scale": 3.0},
}


def record(fields: dict) -> dict[str, np.ndarray]:
    """The arrays of one case. All repetitions are rows of one matrix, with one largest weight.

    Conductance by conductance, since whole weights are mapped to conductances anew, by the largest
    one after programming, before they drift.
    """
    torch.manual_seed(0)
    noise = PCMLikeNoiseModel(g_max=25.0, **fields)
    wanted, mapping = noise.g_converter.convert_to_conductances(
        torch.tensor(WEIGHTS).repeat(REPS, 1)
    )
    exponents = [noise.generate_drift_coefficients(g) for g in wanted]
    g = [noise.apply_programming_noise_to_conductance(g.clone()) for g in wanted]

    def weights(conductances) -> np.ndarray:
        return noise.g_converter.convert_back_to_weights(conductances, mapping).numpy()

    drifted = [
        weights(
            [
                noise.apply_drift_noise_to_conductance(own.clone(), nu, t)
                for own, nu in zip(g, exponents, strict=True)
            ]
        )
        for t in TIMES
    ]
    first = weights(g)
    return {
        "w": np.asarray(WEIGHTS),
        "programmed_mean": first.mean(0),
        "programmed_std": first.std(0),
        "mean": np.stack([d.mean(0) for d in drifted]),
        "std": np.stack([d.std(0) for d in drifted]),
    }


if __name__ == "__main__":
    here = Path(__file__).parent
    arrays, settings = {}, {}
    for name, fields in CASES.items():
        for short, values in record(fields).items():
            arrays[f"{name}/{short}"] = values.astype(np.float32)
        settings[name] = {"g_max": 25.0, "times": TIMES, "reps": REPS, **fields}
    np.savez_compressed(here / "inference.npz", **arrays)
    (here / "inference.json").write_text(json.dumps(settings, indent=1) + "\n")
