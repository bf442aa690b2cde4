"""What a result was made with."""

import platform

import jax

from analogjax._version import __version__


def versions() -> dict[str, str]:
    """Versions and machine, for the summaries of results."""
    devices = jax.local_devices()
    return {
        "analogjax": __version__,
        "jax": jax.__version__,
        "machine": f"{platform.machine()}, {len(devices)} x {devices[0].device_kind}",
    }
