"""Wrong settings and arguments get one clear error, which names the value."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from problems import RULES, SHAPE, batch, factory, gradient, make

import analogjax
from analogjax.devices import SoftBounds
from analogjax.periphery import AnalogIO
from analogjax.pulses import BatchedPulses, CoincidencePulses

DEVICE = SoftBounds()
PARAMS = {"layer": {"kernel": jnp.zeros(SHAPE)}}
everywhere = pytest.mark.parametrize("name", RULES)


@everywhere
@pytest.mark.parametrize("shape", [(), (5,)])
def test_parameter_that_is_no_matrix(name, shape):
    with pytest.raises(ValueError, match=rf"'bias' has shape \({shape[0] if shape else ''},?\)"):
        make(name).init({"bias": jnp.zeros(shape)})


@pytest.mark.parametrize("dtype", [jnp.int32, jnp.bool_, jnp.complex64])
def test_parameter_that_is_not_of_real_numbers(dtype):
    with pytest.raises(ValueError, match=r"'w' is of type .*: conductances are real numbers"):
        make("analog_sgd").init({"w": jnp.zeros(SHAPE, dtype)})


@everywhere
@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_learning_rate_out_of_range(name, rate):
    with pytest.raises(ValueError, match=rf"learning_rate .* at least 0, got {rate}"):
        factory(name)(rate, DEVICE, key=0)


@everywhere
def test_device_field_out_of_range(name):
    with pytest.raises(ValueError, match=r"SoftBounds\.dw_min must be positive, got -1\.0"):
        factory(name)(0.1, SoftBounds(dw_min=-1.0), key=0)


def test_device_field_that_is_an_array():
    device = SoftBounds(dw_min=jnp.full(SHAPE, 0.1))
    with pytest.raises(ValueError, match=r"SoftBounds\.dw_min must be one number, got an array"):
        factory("analog_sgd")(0.1, device, key=0)


@everywhere
def test_device_of_another_type(name):
    with pytest.raises(TypeError, match=r"must be a device of analogjax\.devices, got dict"):
        factory(name)(0.1, {"dw_min": 0.1}, key=0)


@everywhere
@pytest.mark.parametrize("device", ["reram", SoftBounds])
def test_device_that_is_a_word_or_a_class(name, device):
    with pytest.raises(TypeError, match=r"device of analogjax\.devices, got ('reram'|<class)"):
        factory(name)(0.1, device, key=0)


@everywhere
def test_learning_rate_for_each_column(name):
    with pytest.raises(ValueError, match=r"learning_rate must be one number .* shape \(3,\)"):
        factory(name)(jnp.ones(3), DEVICE, key=0)


@everywhere
def test_parameters_of_one_path(name):
    w = jnp.zeros((2, 2))
    with pytest.raises(ValueError, match="Two parameters have the path 'a/b'"):
        make(name).init({"a/b": w, "a": {"b": w}})


@everywhere
def test_another_tree_than_that_of_the_state(name):
    rule = make(name)
    state = rule.init(PARAMS)
    with pytest.raises(ValueError, match=r"made for the parameters \['layer/kernel'\], .*'other'"):
        rule.update({"other": jnp.zeros(SHAPE)}, state, {"other": jnp.zeros(SHAPE)})
    turned = {"layer": {"kernel": jnp.zeros(SHAPE[::-1])}}
    with pytest.raises(ValueError, match=rf"'layer/kernel' was made .* {re.escape(str(SHAPE))}"):
        rule.update(turned, state, turned)


@everywhere
def test_raw_key(name):
    with pytest.raises(ValueError, match=r"array of shape \(2,\).*wrap_key_data"):
        make(name, key=jnp.zeros(2, jnp.uint32)).init(PARAMS)


SETTINGS = [
    ("residual_learning", {"gamma": 0.0}, r"gamma must lie in \(0.0, 1.0\], got 0.0"),
    ("residual_learning", {"gamma": 1.5}, r"gamma must lie in \(0.0, 1.0\], got 1.5"),
    ("residual_learning", {"gamma": float("nan")}, r"gamma .*, got nan"),
    ("residual_learning", {"num_tiles": 0}, "num_tiles .* at least 1, got 0"),
    ("residual_learning", {"num_tiles": 2.5}, "num_tiles must be a whole number .*, got 2.5"),
    ("residual_learning", {"transfer_every": 0}, "transfer_every .* at least 1, got 0"),
    ("residual_learning", {"transfer_every": (2, -3), "num_tiles": 3}, "at least 1, got -3"),
    (
        "residual_learning",
        {"transfer_every": (5, 2), "num_tiles": 4},
        r"transfer_every has 2 periods \(5, 2\); 4 tiles make 3 transfers",
    ),
    (
        "residual_learning",
        {"transfer_lr": (0.1, 0.2, 0.3), "num_tiles": 3},
        r"transfer_lr has 3 rates \(0.1, 0.2, 0.3\); 3 tiles make 2 transfers",
    ),
    (
        "residual_learning",
        {"gamma": (1.0, 0.5), "num_tiles": 3},
        "gamma has 2 significances for 3 tiles",
    ),
    ("residual_learning", {"gamma": (1.0, 1.5), "num_tiles": 2}, r"gamma .*, got 1\.5"),
    (
        "residual_learning",
        {"gamma": (0.5, 0.25), "num_tiles": 2},
        r"gamma must start with 1, .* got \(0\.5, 0\.25\): divide all of them by the first",
    ),
    ("tiki_taka", {"gamma": (0.0, 1.0)}, r"gamma must start with 1, .* got \(0\.0, 1\.0\)"),
    ("analog_sgd", {"pulses": BatchedPulses(desired_bl=0)}, r"BatchedPulses\.desired_bl.* got 0"),
    (
        "tiki_taka",
        {"transfer_pulses": CoincidencePulses(pulse_type="any")},
        "pulse_type must be one of .*, got 'any'",
    ),
    ("residual_learning", {"gamma": lambda count: 0.5}, "gamma must be a number, got a function"),
    (
        "residual_learning",
        {"transfer_every": (3, 3), "num_tiles": 3},
        r"transfer_every must increase towards the most significant tile.* got \(3, 3\)",
    ),
    ("residual_learning", {"transfer_every": (2, 5), "num_tiles": 3}, "transfer_every must incr"),
    ("residual_learning", {"transfer_every": 1, "num_tiles": 3}, "must increase .* got 1 for 2"),
    ("residual_learning", {"warm_start_every": 0}, "warm_start_every .* at least 1, got 0"),
    (
        "residual_learning",
        {"warm_start_from": "first"},
        "one of last, last-but-one, next, got 'first'",
    ),
    (
        "residual_learning",
        {"warm_start_from": "next", "warm_start_every": 2},
        "warm_start_every=2 has no effect with warm_start_from='next'",
    ),
    (
        "residual_learning",
        {"warm_start_from": "last-but-one", "num_tiles": 2},
        "needs at least 3 tiles, got num_tiles=2: use 'last'",
    ),
    (
        "residual_learning",
        {"transfer_threshold": -0.1},
        r"transfer_threshold .* \[0.0, inf\], got -0.1",
    ),
    ("residual_learning", {"transfer_lines": "rows"}, "one of inputs, outputs, got 'rows'"),
    ("residual_learning", {"transfer_order": "any"}, "one of cyclic, random, got 'any'"),
    ("residual_learning", {"transfer_lr": -0.5}, "transfer_lr .* at least 0, got -0.5"),
    ("residual_learning", {"reads_per_transfer": 0}, "reads_per_transfer .*, got 0"),
    ("residual_learning", {"reads_per_transfer": 1.5}, "or a share of the lines .*, got 1.5"),
    ("residual_learning", {"reads_per_transfer": -0.5}, "reads_per_transfer .*, got -0.5"),
    ("residual_learning", {"device": [DEVICE] * 2, "num_tiles": 3}, "2 devices for 3 tiles"),
    ("tiki_taka", {"device": [DEVICE] * 3}, "Got 3 devices for 2 tiles"),
    ("tiki_taka", {"gamma": 1.5}, r"gamma must lie in \[0.0, 1.0\], got 1.5"),
    ("tiki_taka", {"gamma": -0.5}, r"gamma must lie in \[0.0, 1.0\], got -0.5"),
    ("tiki_taka", {"transfer_every": 0}, "transfer_every .* at least 1, got 0"),
    ("tiki_taka", {"reads_per_transfer": 0}, "reads_per_transfer .*, got 0"),
    ("tiki_taka", {"transfer_lr": -1.0}, r"transfer_lr .* at least 0, got -1\.0"),
    ("tiki_taka", {"num_tiles": 1}, "num_tiles .* at least 2, got 1"),
    ("tiki_taka_v2", {"threshold": 0.0}, r"threshold must lie in \(0.0, inf\], got 0.0"),
    ("tiki_taka_v2", {"momentum": 1.5}, r"momentum must lie in \[0.0, 1.0\], got 1.5"),
    ("tiki_taka_v2", {"momentum": lambda count: 0.5}, "momentum must be a number, got a function"),
    ("tiki_taka_v2", {"gamma": lambda count: 0.5}, "gamma must be a number, got a function"),
    ("tiki_taka_v2", {"max_pulses": 0}, "max_pulses .* at least 1, got 0"),
    ("tiki_taka_v2", {"gamma": 1.5}, r"gamma must lie in \[0.0, 1.0\], got 1.5"),
    ("tiki_taka_v2", {"device": [DEVICE] * 3}, "Got 3 devices for 2 tiles"),
    ("chopped_tiki_taka", {"chop_prob": 1.5}, r"chop_prob must lie in \[0.0, 1.0\], got 1.5"),
    ("chopped_tiki_taka", {"buffer_granularity": 0.0}, "buffer_granularity .*, got 0.0"),
    ("chopped_tiki_taka", {"auto_granularity": -1.0}, "auto_granularity .*, got -1.0"),
    (
        "chopped_tiki_taka",
        {"transfer_order": "random", "chop_random": False},
        "'random' does not go with regular choppers",
    ),
    ("agad", {"transfer_order": "random"}, "'random' does not go with regular choppers"),
    ("agad", {"tail_weighting": -1.0}, "tail_weighting .*, got -1.0"),
    ("agad", {"buffer_cap": -1.0}, "buffer_cap .*, got -1.0"),
    ("buffered_residual_learning", {"num_tiles": 3}, "num_tiles=3 needs a warm start"),
    ("buffered_residual_learning", {"num_tiles": 1}, "num_tiles .* at least 2, got 1"),
    ("buffered_residual_learning", {"gamma": 0.0}, r"gamma must lie in \(0.0, 1.0\], got 0.0"),
    ("residual_learning_v2", {"threshold": -1.0}, "threshold .*, got -1.0"),
    ("residual_learning_v2", {"momentum": -0.1}, "momentum .*, got -0.1"),
    ("mixed_precision", {"x_bins": 1}, "x_bins must be 0 .* at least 2, got 1"),
    ("mixed_precision", {"momentum": 2.0}, "momentum .*, got 2.0"),
    ("mixed_precision", {"transfer_every": 0}, "transfer_every .* at least 1, got 0"),
    ("mixed_precision", {"device": [DEVICE] * 2}, "Got 2 devices for 1 tiles"),
    ("analog_sgd", {"device": [DEVICE] * 2}, "Got 2 devices for 1 tiles"),
]


@pytest.mark.parametrize(("name", "settings", "message"), SETTINGS)
def test_setting_out_of_range(name, settings, message):
    settings = {"learning_rate": 0.1, "device": DEVICE, "key": 0, **settings}
    with pytest.raises(ValueError, match=message):
        getattr(analogjax, name)(**settings)


OF_ANOTHER_KIND = [
    (
        "tiki_taka_v2",
        {"transfer_read": AnalogIO()},
        r"transfer_read .* functools\.partial\(mvm, io",
    ),
    ("tiki_taka_v2", {"key": None}, "key must be a seed or a key made by jax.random.key, got None"),
    ("tiki_taka_v2", {"key": "a"}, "key must be a seed .*, got 'a'"),
    ("tiki_taka_v2", {"key": 0.5}, "key must be a seed .*, got 0.5"),
    ("analog_sgd", {"learning_rate": None}, "learning_rate must be one number or a .*, got None"),
    ("analog_sgd", {"learning_rate": "0.1"}, "learning_rate must be one number .*, got '0.1'"),
    ("analog_sgd", {"pulses": "batched"}, r"pulses must be a scheme .*\(\), got 'batched'"),
    ("tiki_taka_v2", {"pulses": BatchedPulses}, r"pulses must be a scheme .*, got <class"),
    ("tiki_taka_v2", {"transfer_pulses": "x"}, "transfer_pulses must be a scheme .*, got 'x'"),
    ("residual_learning", {"transfer_pulses": 3}, "transfer_pulses must be a scheme .*, got 3"),
    ("residual_learning", {"warm_start": 500}, r"None or one such as Stages\(500\).*, got 500"),
    ("residual_learning", {"warm_start": analogjax.Stages}, "warm_start must be .*, got <class"),
    ("residual_learning", {"num_tiles": None}, "num_tiles must be a whole number .*, got None"),
    ("residual_learning", {"transfer_every": None}, "transfer_every must be .*, got None"),
    ("residual_learning", {"gamma": None}, "gamma must be a number, got None"),
    ("residual_learning", {"gamma": "0.5"}, "gamma must be a number, got '0.5'"),
    ("tiki_taka_v2", {"momentum": None}, "momentum must be a number, got None"),
]


@pytest.mark.parametrize(("name", "settings", "message"), OF_ANOTHER_KIND)
def test_setting_of_another_kind(name, settings, message):
    settings = {"learning_rate": 0.1, "device": DEVICE, "key": 0, **settings}
    with pytest.raises(TypeError, match=message):
        getattr(analogjax, name)(**settings)


def test_share_of_any_real_type():
    rule = make("tiki_taka", reads_per_transfer=np.float32(0.5))
    params = {"w": jnp.zeros((4, 2))}
    _, state = rule.update(params, rule.init(params), params)
    assert state.weights["w"].reads.exact().tolist() == [0.0, 2.0]


@everywhere
def test_parameter_without_lines(name):
    with pytest.raises(ValueError, match=r"'w' has shape \(3, 0\): an array needs at least one"):
        make(name).init({"w": jnp.zeros((3, 0))})


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_schedule_that_leaves_the_range(rate):
    """Seen outside of ``jit``; inside, the updates are not finite."""
    rule = make("analog_sgd", lambda count: jnp.where(count < 1, 0.1, rate))
    state, update = rule.init(PARAMS), jax.jit(rule.update)
    updates, state = update(PARAMS, state, PARAMS)
    assert jnp.isfinite(updates["layer"]["kernel"]).all()
    assert jnp.isnan(update(PARAMS, state, PARAMS)[0]["layer"]["kernel"]).all()
    with pytest.raises(ValueError, match=rf"learning_rate must be a finite .* got {rate}"):
        rule.update(PARAMS, state, PARAMS)


@pytest.mark.parametrize("name", ["tiki_taka", "tiki_taka_v2"])
@pytest.mark.parametrize("rate", [-0.1, float("nan")])
def test_schedule_of_transfers_that_leaves_the_range(name, rate):
    rule = make(name, transfer_lr=lambda count: jnp.where(count < 1, 0.1, rate))
    state, update = rule.init(PARAMS), jax.jit(rule.update)
    updates, state = update(PARAMS, state, PARAMS)
    assert jnp.isfinite(updates["layer"]["kernel"]).all()
    assert jnp.isnan(update(PARAMS, state, PARAMS)[0]["layer"]["kernel"]).all()


def test_schedule_of_several_rates():
    rule = make("analog_sgd", lambda count: jnp.ones(2))
    with pytest.raises(ValueError, match=r"learning_rate must be one number .* shape \(2,\)"):
        rule.update(PARAMS, rule.init(PARAMS), PARAMS)


THREE_TILES = {"num_tiles": 3, "transfer_every": (4, 2)}
OTHER_RULES = {
    "fewer tiles": (("tiki_taka", {}), ("tiki_taka", THREE_TILES)),
    "more tiles": (("tiki_taka", THREE_TILES), ("tiki_taka", {})),
    "another rule": (("analog_sgd", {}), ("tiki_taka_v2", {})),
    "other lines": (
        ("chopped_tiki_taka", {}),
        ("chopped_tiki_taka", {"transfer_lines": "outputs"}),
    ),
    "momentum": (("mixed_precision", {}), ("mixed_precision", {"momentum": 0.5})),
}


@pytest.mark.parametrize(("made_by", "given_to"), OTHER_RULES.values(), ids=OTHER_RULES)
def test_state_of_a_rule_of_other_settings(made_by, given_to):
    state = make(made_by[0], **made_by[1]).init(PARAMS)
    with pytest.raises(ValueError, match="state of 'layer/kernel' was made by a rule of other"):
        make(given_to[0], **given_to[1]).update(PARAMS, state, PARAMS)


def test_count_that_jax_traces_names_the_remedy():
    with pytest.raises(TypeError, match=r"num_tiles must be a Python int .*static_args"):
        jax.jit(lambda n: analogjax.residual_learning(0.1, DEVICE, key=0, num_tiles=n))(3)


X, D = batch(0)
FACTORS = [
    ({}, r"factors lacks the parameter 'layer/kernel' \(it has \[\]\)"),
    ({"other": (X, D)}, r"lacks the parameter 'layer/kernel' \(it has \['other'\]\)"),
    ({"layer": {"kernel": (X.T, D)}}, r"'layer/kernel' have shapes \(3, 4\) and \(4, 2\)"),
    ({"layer": {"kernel": (X, D[:3])}}, r"have shapes \(4, 3\) and \(3, 2\)"),
    ({"layer": {"kernel": (X, X)}}, r"needs \(..., 3\) and \(..., 2\)"),
    ({"layer": {"kernel": (X, D[:, :1])}}, r"or \(..., G, 3\) and \(..., G, 2 / G\) for G groups"),
    ({"layer": {"kernel": ((X, D), (X, D.T))}}, r"have shapes \(4, 3\) and \(2, 4\)"),
    ({"layer": {"kernel": (X[0, 0], D)}}, r"have shapes \(\) and \(4, 2\)"),
    ({"layer": {"kernel": (X, D[0, 0])}}, r"have shapes \(4, 3\) and \(\)"),
    ({"layer": {"kernel": X}}, r"pair \(x, d\) .* found \w+ at 'layer/kernel'"),
    ({"layer": {"kernel": (X, D, D)}}, r"pair \(x, d\) .* found \w+ at 'layer/kernel/0'"),
]


@everywhere
@pytest.mark.parametrize(("factors", "message"), FACTORS)
def test_factors_that_do_not_fit(name, factors, message):
    rule = make(name)
    grads = {"layer": {"kernel": gradient((X, D))}}
    with pytest.raises(ValueError, match=message):
        rule.update(grads, rule.init(PARAMS), PARAMS, factors=factors)


def test_nan_in_the_gradient_is_seen_by_a_rule_that_ignores_the_factors():
    rule = make("mixed_precision")
    params = {"layer": {"kernel": jnp.zeros((3, 2))}}
    bad = {"layer": {"kernel": jnp.full((3, 2), jnp.nan)}}
    with pytest.raises(ValueError, match="gradient of 'layer/kernel' is not finite"):
        rule.update(bad, rule.init(params), params, factors={"layer": {"kernel": (X, D)}})


def test_errors_whose_products_are_not_finite():
    rule = make("analog_sgd")
    huge = 1e20 * X, 1e20 * D
    with pytest.raises(ValueError, match="gradient of 'layer/kernel' is not finite"):
        rule.update(PARAMS, rule.init(PARAMS), PARAMS, factors={"layer": {"kernel": huge}})


@pytest.mark.parametrize("name", ["factor", "taps"])
def test_factors_of_another_name(name):
    rule = analogjax.analog_sgd(0.1, DEVICE, key=0)
    params = {"w": jnp.zeros((2, 3))}
    with pytest.raises(TypeError, match=f"takes factors=, got {name}="):
        rule.update(params, rule.init(params), params, **{name: params})


def test_factors_of_no_sample():
    rule = make("analog_sgd")
    with pytest.raises(ValueError, match="factors of 'layer/kernel' are empty"):
        rule.update(
            PARAMS, rule.init(PARAMS), PARAMS, factors={"layer": {"kernel": (X[:0], D[:0])}}
        )
