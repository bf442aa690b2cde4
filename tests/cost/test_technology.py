"""The constants: each has a unit and a source, and a mistake in them is one sentence."""

import dataclasses
import json
import math
import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from analogjax.cost import (
    BufferedResidualLearning,
    Layer,
    MixedPrecision,
    ResidualLearning,
    Technology,
    TikiTaka,
    pareto_front,
    technology_from_json,
    technology_to_json,
    update_cost,
)

FIELDS = dataclasses.fields(Technology)
LAYERS = [Layer(name="fc", inputs=8, outputs=4)]
GUIDE = Path(__file__).parents[2] / "docs" / "cost.md"


def changed(**constants):
    """The JSON of the technology with other values; None takes a constant out."""
    content = {**dataclasses.asdict(Technology()), **constants}
    return json.dumps({name: value for name, value in content.items() if value is not None})


def test_every_constant_is_in_the_table_of_the_guide_with_its_value_and_source():
    rows = {
        row[0].strip("`"): row[1:]
        for row in re.findall(r"^\| (\S+) \| (.*?) \| (.*?) \| (.*?) \|$", GUIDE.read_text(), re.M)
    }
    for field in FIELDS:
        value, what, source = rows[field.name]
        assert value == (f"{field.default:.4g}" if field.type is not bool else str(field.default))
        assert (what, source) == (field.metadata["what"], field.metadata["source"])


def test_another_technology_comes_back_from_its_json():
    other = Technology(pulse_time_ns=1.5, stacked_tiles=False, sign_phases=2)
    assert technology_from_json(technology_to_json(other)) == other


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "JSON, but this is not"),
        ("[" * 100_000, "JSON, but this is not"),
        ("[1]", "got list"),
        (changed(pulse_time_ns=None, read_time_ns=None), "lacks pulse_time_ns, read_time_ns:"),
        (changed(pulse_times_ns=1.0), "no 'pulse_times_ns'; did you mean 'pulse_time_ns'"),
        (changed(xyz=1.0), "no 'xyz'; it has pulse_time_ns, "),
        (changed(pulse_time_ns=-5.0), "pulse_time_ns .* at least 0, got -5.0"),
        (changed(pulse_time_ns="5"), "pulse_time_ns .* got '5'"),
        (changed(pulse_time_ns=True), "pulse_time_ns .* got True"),
        (changed(pulse_time_ns=math.nan), "pulse_time_ns .* got nan"),
        (changed(digital_tflops=0), "digital_tflops .* above 0"),
        (changed(shared_converters=1), "shared_converters .* true or false, got 1"),
        (changed(shareable_energy=1.5), "shareable_energy .* at most 1, got 1.5"),
        (changed(sign_phases=3), "sign_phases .* 1 or 2, got 3"),
        (changed(digital_tflops=1e-320), "digital_tflops .* between 1e-30 and 1e.30 .* got 1e-320"),
        ('{"pulse_time_ns": 5.0, "pulse_time_ns": 50.0}', "'pulse_time_ns' once, got it twice"),
    ],
)
def test_a_mistake_in_the_constants_is_one_sentence(text, told):
    with pytest.raises(ValueError, match=told) as raised:
        technology_from_json(text)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("layers", "rule", "told"),
    [
        ([], TikiTaka(), "no layer"),
        ([Layer(name="a", inputs=0, outputs=3)], TikiTaka(), "inputs of layer 'a' .* got 0"),
        ([Layer(name="a", inputs=3, outputs=1.5)], TikiTaka(), "outputs of layer 'a' .* got 1.5"),
        ([Layer(name="a", inputs=3, outputs=3, vectors=-1)], TikiTaka(), "vectors .* got -1"),
        (LAYERS * 2, TikiTaka(), "Two layers are called 'fc'"),
        (
            [Layer(name="a", inputs=3, outputs=3, vectors=math.inf)],
            TikiTaka(),
            "vectors .* got inf",
        ),
        ([Layer(name="a", inputs=3, outputs=3, vectors="1")], TikiTaka(), "vectors .* got '1'"),
        ([Layer(name="a", inputs=math.inf, outputs=3)], TikiTaka(), "inputs .* got inf"),
        (LAYERS, ResidualLearning(num_tiles="2"), "num_tiles .* got '2'"),
        (LAYERS, ResidualLearning(num_tiles=2.5), "num_tiles .* whole number, got 2.5"),
        (LAYERS, MixedPrecision(ops_per_element=3), "ops_per_element .* 1 or 2, got 3"),
        (LAYERS, TikiTaka(transfer_period=0.5), "transfer_period of TikiTaka .* got 0.5"),
        (LAYERS, TikiTaka(pulses_per_vector=-1), "pulses_per_vector .* got -1"),
        (LAYERS, TikiTaka(gamma=math.nan), "gamma .* got nan"),
        (LAYERS, MixedPrecision(batch_size=0), "batch_size of MixedPrecision .* got 0"),
        (LAYERS, ResidualLearning(num_tiles=0), "num_tiles of ResidualLearning .* got 0"),
        (LAYERS, BufferedResidualLearning(num_tiles=1), "must be at least 2, got 1"),
        (
            LAYERS,
            ResidualLearning(transfer_period=math.inf),
            "transfer_period .* must be finite, got inf",
        ),
    ],
)
def test_a_mistake_in_what_is_reckoned_is_one_sentence(layers, rule, told):
    with pytest.raises(ValueError, match=told):
        update_cost(layers, rule)


def test_what_is_no_rule_is_told():
    for rule, name in (("tiki-taka", "str"), (TikiTaka, "TikiTaka")):
        with pytest.raises(TypeError, match=f"made with its settings, .* got {name}"):
            update_cost(LAYERS, rule)
    with pytest.raises(TypeError, match="got the one layer 'fc'"):
        update_cost(LAYERS[0], TikiTaka())
    with pytest.raises(TypeError, match="layers must be a list of Layer, got one of str"):
        update_cost(["fc"], TikiTaka())
    with pytest.raises(TypeError, match=r"must be a Technology, .* got None"):
        update_cost(LAYERS, TikiTaka(), None)
    with pytest.raises(ValueError, match="vector_size must be one of inputs, own, got 'both'"):
        update_cost(LAYERS, TikiTaka(), vector_size="both")


def test_layers_are_taken_from_any_iterable_and_numbers_of_any_kind():
    numbers = Technology(read_time_ns=np.float32(40), pulse_time_ns=jnp.float32(5))
    layers = (Layer(name="fc", inputs=np.int64(8), outputs=jnp.int32(4)) for _ in range(1))
    found = update_cost(layers, TikiTaka(transfer_period=np.float32(2)), numbers)
    assert found == update_cost(LAYERS, TikiTaka())
    assert type(found.time_ns) is float
    assert technology_from_json(technology_to_json(numbers)) == Technology()


def test_runs_without_a_number_are_not_on_the_front():
    assert pareto_front([1, 2, math.nan], [math.nan, 0.9, 1.0]) == [1]


def test_a_technology_is_checked_where_it_is_used():
    with pytest.raises(ValueError, match="read_time_ns"):
        update_cost(LAYERS, TikiTaka(), Technology(read_time_ns=-1.0))
