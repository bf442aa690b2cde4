"""Imports point one way only: each layer knows those before it, and no other."""

import ast
from pathlib import Path

import pytest

import analogjax

ROOT = Path(analogjax.__file__).parent
LAYERS = ["devices", "pulses", "tiles", "periphery", "rules", "nn", "pipeline", "experiments"]
LEAVES = ["presets", "cost", "plotting", "inference"]
FLAX_FREE = LAYERS[: LAYERS.index("rules") + 1]


def modules(layer):
    """The files of a layer, a package or a single module."""
    return sorted((ROOT / layer).rglob("*.py")) + sorted(ROOT.glob(f"{layer}.py"))


def imports(source, package=("analogjax",)):
    """Absolute names of everything a source imports, wherever in the file."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported_by(layer):
    for path in modules(layer):
        package = ("analogjax", *path.parent.relative_to(ROOT).parts)
        for name in imports(path.read_text(), package):
            yield path.relative_to(ROOT), name.split(".")


def illegal(layer, parts):
    """Whether a module of ``layer`` may not import the dotted name."""
    if parts[0] != "analogjax":
        return parts[0] == "flax" and layer in FLAX_FREE
    target = parts[1] if len(parts) > 1 else ""
    if layer == "experiments":
        return False
    if layer in LEAVES:
        return target == "experiments"
    if target in LAYERS:
        return LAYERS.index(target) > LAYERS.index(layer)
    # The top level collects the rules, so that only layers above these may import from it.
    from_top = target != "_version" and target not in LEAVES
    return target in LEAVES or (from_top and layer in FLAX_FREE)


@pytest.mark.parametrize("layer", [*LAYERS, *LEAVES])
def test_layer_imports_only_what_lies_below_it(layer):
    wrong = [(str(path), ".".join(parts)) for path, parts in imported_by(layer)
             if illegal(layer, parts)]  # fmt: skip
    assert not wrong


@pytest.mark.parametrize("layer", [*LAYERS, *LEAVES])
def test_private_modules_are_imported_within_their_package_alone(layer):
    wrong = [
        (str(path), ".".join(parts))
        for path, parts in imported_by(layer)
        if parts[0] == "analogjax" and parts[1:2] != [layer]
        and any(part.startswith("_") for part in parts[2:-1])
    ]  # fmt: skip
    assert not wrong


def test_written_layers_are_found():
    for layer in ("devices", "pulses", "tiles", "periphery", "rules"):
        assert len(modules(layer)) > 2
        assert any(parts[0] == "jax" for _, parts in imported_by(layer))


@pytest.mark.parametrize(
    ("layer", "source", "is_illegal"),
    [
        ("devices", "from analogjax.pulses import Sent", True),
        ("devices", "from analogjax import analog_sgd", True),
        ("devices", "from .. import rules", True),
        ("pulses", "import analogjax.devices", False),
        ("tiles", "def f():\n    from analogjax.rules import Signal", True),
        ("rules", "import flax", True),
        ("rules", "from flax import nnx", True),
        ("rules", "from analogjax import presets", True),
        ("nn", "from flax import nnx", False),
        ("nn", "import analogjax.plotting", True),
        ("nn", "from ..rules import Signal", False),
        ("pipeline", "from analogjax.nn import linen", False),
        ("nn", "from analogjax.pipeline import cut", True),
        ("pipeline", "from analogjax.experiments import load", True),
        ("experiments", "from analogjax import presets", False),
        ("presets", "from analogjax.devices import SoftBounds", False),
        ("presets", "from analogjax.experiments import train", True),
        ("nn", "from analogjax.inference import program", True),
        ("inference", "from analogjax.nn import labels", False),
        ("inference", "from analogjax.experiments import load", True),
    ],
)
def test_rule_tells_a_legal_import_from_an_illegal_one(layer, source, is_illegal):
    found = [name.split(".") for name in imports(source, ("analogjax", layer))]
    assert any(illegal(layer, parts) for parts in found) == is_illegal
