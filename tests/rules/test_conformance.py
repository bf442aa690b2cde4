"""What holds for every rule: it is an ordinary optax transformation, and random by address."""

import functools
import inspect
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import RULES, SHAPE, batch, composite, device, factory, gradient, make, settings

import analogjax
from analogjax.devices import Ideal
from analogjax.pulses import BatchedPulses, ExpectedPulses, Factors

STEPS = 4
PARAMS = {"w": jnp.linspace(-0.5, 0.5, 6).reshape(SHAPE)}

# The others share their steps with one of these.
FAMILIES = {"analog_sgd", "mixed_precision", "residual_learning", "agad"}
every_rule = pytest.mark.parametrize("name", RULES)
every_family = pytest.mark.parametrize(
    "name", [n if n in FAMILIES else pytest.param(n, marks=pytest.mark.slow) for n in RULES]
)


def test_every_rule_is_in_the_table():
    helpers = {"by_path", "reprogram", "shardings"}
    made = {name for name in analogjax.__all__ if name[0].islower() and name[0] != "_"}
    assert made - helpers <= set(RULES)


def batches(steps):
    return jax.tree.map(lambda *parts: np.stack(parts), *map(batch, range(steps)))


def train(rule, params=PARAMS, *, state=None, with_factors=True, steps=STEPS):
    """Parameters and state after some steps; every leaf of the parameters gets the same batch."""

    def step(carry, pair):
        params, state = carry
        grads = jax.tree.map(lambda p: gradient(pair).astype(p.dtype), params)
        more = {"factors": jax.tree.map(lambda _: pair, params)} if with_factors else {}
        updates, state = rule.update(grads, state, params, **more)
        return (optax.apply_updates(params, updates), state), state

    start = (params, rule.init(params) if state is None else state)
    (params, state), states = jax.lax.scan(step, start, batches(steps))
    return params, state, states


def compiled(rule, params=PARAMS, **options):
    """As :func:`train`, compiled but for the drawing of the devices."""
    return jax.jit(lambda state: train(rule, params, state=state, **options))(rule.init(params))


@functools.cache
def trained(name):
    """The plain rule, which wrapped ones must agree with."""
    return compiled(make(name))


def same(a, b, atol=1e-6):
    np.testing.assert_allclose(a, b, rtol=0, atol=atol)
    return True


@every_rule
@pytest.mark.parametrize("with_factors", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_second_call_does_not_compile_and_parameters_follow_the_tiles(name, with_factors):
    # 0.9 programs outside of the bounds of some crosspoints: the first update corrects it.
    params = {"w": jnp.full(SHAPE, 0.9, jnp.float32)}
    rule = make(name, pulses=BatchedPulses())
    state = rule.init(params)
    traces = []

    @jax.jit
    def step(params, state, pair):
        traces.append(1)
        factors = {"w": pair} if with_factors else None
        updates, state = rule.update({"w": gradient(pair)}, state, params, factors=factors)
        return optax.apply_updates(params, updates), updates, state

    for i in range(3):
        before = params["w"]
        params, updates, state = step(params, state, batch(i))
        weight = np.asarray(composite(name, state.weights["w"]))
        ulp = np.spacing(np.maximum(np.abs(weight), np.abs(before)))
        assert (np.abs(np.asarray(params["w"]) - weight) <= ulp).all()
        assert (updates["w"] != 0).any()
    assert len(traces) == 1


@every_family
def test_vmap_over_rate_device_gamma_and_seed_equals_a_loop(name):
    has_gamma = "gamma" in RULES[name]

    def run(rate, dw_min, gamma, key):
        more = {"gamma": gamma} if has_gamma else {}
        rule = make(name, rate, dw_min=dw_min, key=key, pulses=NOISY, **more)
        return train(rule, steps=2)[0]["w"]

    args = (
        jnp.array([0.1, 0.2, 0.1, 0.1, 0.1]),
        jnp.array([0.02, 0.02, 0.01, 0.02, 0.02]),
        jnp.array([0.5, 0.5, 0.5, 0.25, 0.5]),
        jax.random.split(jax.random.key(0), 2)[jnp.array([0, 0, 0, 0, 1])],
    )
    swept, alone = jax.jit(jax.vmap(run))(*args), jax.jit(run)
    for i in range(5):
        same(swept[i], alone(*(arg[i] for arg in args)), atol=1e-5)
        if i and (has_gamma or i != 3):
            assert (swept[i] != swept[0]).any()


def partitioned(rule):
    labels = {"w": "analog", "bias": "digital"}
    return optax.partition({"analog": rule, "digital": optax.sgd(0.1)}, labels)


WRAPPERS = {
    "chain": lambda rule: optax.chain(optax.identity(), rule),
    "masked": lambda rule: optax.masked(rule, {"w": True, "bias": False}),
    "partition": partitioned,
    "apply_if_finite": lambda rule: optax.apply_if_finite(rule, 3),
}


@every_family
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_wrapped_by_optax_it_is_the_same_rule(name, wrapper):
    rule = WRAPPERS[wrapper](make(name))
    vectors = wrapper in ("masked", "partition")
    params = {**PARAMS, "bias": jnp.zeros(2)} if vectors else PARAMS

    def step(carry, pair):
        params, state = carry
        grads = {"w": gradient(pair), "bias": jnp.ones(2)}
        grads = {leaf: grads[leaf] for leaf in params}
        updates, state = rule.update(grads, state, params, factors={"w": pair})
        return (optax.apply_updates(params, updates), state), None

    run = jax.jit(lambda carry: jax.lax.scan(step, carry, batches(STEPS))[0])
    params, state = run((params, rule.init(params)))
    assert same(params["w"], trained(name)[0]["w"])
    counts = optax.tree.get_all_with_path(state, "count")
    assert any(int(count) == STEPS for _, count in counts)
    if wrapper == "partition":
        assert same(params["bias"], -0.1 * STEPS * jnp.ones(2))


@every_family
def test_multi_steps_update_once_with_the_mean_of_the_gradients(name):
    rule = make(name)
    several = optax.MultiSteps(rule, every_k_schedule=2).gradient_transformation()

    def train_with(rule, gradients):
        def step(carry, gradient):
            params, state = carry
            updates, state = rule.update({"w": gradient}, state, params)
            return (optax.apply_updates(params, updates), state), None

        run = jax.jit(lambda carry: jax.lax.scan(step, carry, gradients)[0][0]["w"])
        return run((PARAMS, rule.init(PARAMS)))

    gradients = jax.vmap(gradient)(batches(4))
    means = gradients.reshape(2, 2, *SHAPE).mean(1)
    assert same(train_with(several, gradients), train_with(rule, means), atol=1e-5)


@every_rule
def test_a_stored_state_goes_on_to_the_bit(name):
    def stored(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(np.asarray(jax.random.key_data(leaf)).copy())
        return np.asarray(leaf).copy()

    run = noisy(name, True)
    middle = run(make(name, pulses=NOISY).init(PARAMS))[1]
    once, again = run(middle), run(jax.tree.map(stored, middle))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), once, again))
    assert int(again[1].count) == 2 * STEPS


@every_family
def test_injected_hyperparameters_can_be_changed_between_steps(name):
    arguments = set(inspect.signature(factory(name)).parameters)
    inject = optax.inject_hyperparams(
        factory(name), static_args=arguments - {"learning_rate", "gamma", "transfer_lr"}
    )
    rule = inject(learning_rate=0.1, device=device(), key=0, **settings(name))

    @jax.jit
    def run(carry, rate):
        def step(carry, inputs):
            (params, state), (i, pair) = carry, inputs
            state.hyperparams["learning_rate"] = jnp.where(i < STEPS, 0.1, rate)
            updates, state = rule.update({"w": gradient(pair)}, state, params, factors={"w": pair})
            params = optax.apply_updates(params, updates)
            return (params, state), params["w"]

        return jax.lax.scan(step, carry, (jnp.arange(STEPS + 1), batches(STEPS + 1)))[1]

    start = (PARAMS, rule.init(PARAMS))
    slow, fast = run(start, 0.1), run(start, 0.9)
    assert same(slow[STEPS - 1], trained(name)[0]["w"])
    assert same(fast[STEPS - 1], slow[STEPS - 1], atol=0)
    assert (fast[STEPS] != slow[STEPS]).any()


@every_family
def test_learning_rate_schedule_is_a_function_of_the_step(name):
    rule = make(name, lambda count: jnp.where(count < 2, 0.1, 0.0))
    _, _, states = compiled(rule)
    weights = states.weights["w"]
    # What takes the gradient stands still at a rate of zero (transfers between tiles go on).
    stack = getattr(weights, "stack", weights)
    gathers = stack.tiles[-1].w
    if name == "mixed_precision":
        gathers = weights.chi - gathers
        assert same(gathers[2], gathers[3])
    else:
        assert same(gathers[1], gathers[3], atol=0)
    assert (gathers[0] != gathers[1]).all()


@every_rule
def test_unknown_extra_arguments_are_ignored(name):
    rule = make(name)
    state = rule.init(PARAMS)
    shapes = jax.eval_shape(
        lambda: rule.update(PARAMS, state, PARAMS, value=1.0, grad=None, anything="else")
    )
    assert jax.tree.structure(shapes) == jax.tree.structure((PARAMS, state))


@every_rule
def test_update_without_parameters_says_how_to_call_it(name):
    rule = make(name)
    with pytest.raises(ValueError, match=r"update\(grads, state, params\)"):
        rule.update(PARAMS, rule.init(PARAMS))


@every_family
def test_low_precision_parameters_keep_their_type_and_the_tiles_theirs(name):
    params = {"w": PARAMS["w"].astype(jnp.bfloat16)}
    low, state, _ = compiled(make(name), params)
    assert low["w"].dtype == jnp.bfloat16
    weights = composite(name, state.weights["w"])
    assert weights.dtype == jnp.float32
    assert same(low["w"].astype(jnp.float32), weights, atol=2**-7)
    # Rounding of the parameters does not reach the tiles; that of the gradient hardly does, but
    # may tip a whole pulse of mixed precision.
    tolerance = 0.04 if name == "mixed_precision" else 2**-7
    assert same(weights, composite(name, trained(name)[1].weights["w"]), atol=tolerance)


class Attention(NamedTuple):
    """Parameters one of which has the name of what flax's boxes hold."""

    query: jax.Array
    value: jax.Array


def test_a_field_called_value_gets_no_factors_of_its_neighbours():
    params = {"heads": Attention(*[jnp.zeros(SHAPE)] * 2)}
    pairs = {"heads": Attention(batch(0), batch(1))}
    grads = {"heads": Attention(gradient(batch(0)), gradient(batch(1)))}
    rule = analogjax.analog_sgd(0.1, Ideal(), key=0)
    updates, _ = rule.update(grads, rule.init(params), params, factors=pairs)
    for update, grad in zip(updates["heads"], grads["heads"], strict=True):
        np.testing.assert_allclose(update, -0.1 * grad, atol=1e-6)


@pytest.mark.parametrize(
    "strict", [jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise")]
)
def test_strict_rules_of_a_user_do_not_reach_within(strict):
    with strict:
        rule = make("residual_learning", pulses=BatchedPulses())
        rule.update({"w": gradient(batch(0))}, rule.init(PARAMS), PARAMS, factors={"w": batch(0)})


@pytest.mark.parametrize("with_factors", [True, False])
def test_double_precision_around_a_rule_changes_nothing_in_it(with_factors):
    schedule = optax.constant_schedule(0.1)
    rule = make("residual_learning", pulses=BatchedPulses(), learning_rate=schedule)
    step = jax.jit(rule.update)

    def one_step(dtype):
        params = {"w": PARAMS["w"].astype(dtype)}
        pair = Factors(*(jnp.asarray(part, dtype) for part in batch(0)))
        more = {"factors": {"w": pair}} if with_factors else {}
        return step({"w": gradient(pair)}, rule.init(params), params, **more)

    updates, state = one_step(jnp.float32)
    with jax.enable_x64(True):
        wide, same_state = one_step(jnp.float64)
        assert wide["w"].dtype == jnp.float64
    kinds = [jax.tree.map(lambda leaf: leaf.dtype, s) for s in (state, same_state)]
    assert kinds[0] == kinds[1]
    np.testing.assert_allclose(wide["w"], updates["w"], atol=1e-6)


@every_rule
def test_state_has_named_fields_that_optax_reaches(name):
    _, state, _ = trained(name)
    assert int(optax.tree.get(state, "count")) == STEPS
    for field in ("tiles", "pulses", "weights"):
        assert optax.tree.get(state, field) is not None
    total = optax.tree.get(state, "pulses").total
    assert (total >= 0).all()
    assert (total[-1] > 0).all()
    for field in set(state.weights["w"]._fields) & {"chi", "buffer", "mean", "reference"}:
        assert optax.tree.get(state, field).shape == SHAPE
        zero = optax.tree.set(state, **{field: jnp.zeros(SHAPE)})
        assert not optax.tree.get(zero, field).any()


NOISY = ExpectedPulses(noise=True)


@functools.cache
def noisy(name, with_factors):
    """A training that draws random numbers at every step, as a function of its first state."""
    rule = make(name, pulses=NOISY)
    return jax.jit(lambda state: train(rule, state=state, with_factors=with_factors)[:2])


@every_rule
@pytest.mark.parametrize("with_factors", [True, False])
def test_same_key_gives_the_same_bits_and_another_key_others(name, with_factors):
    run = noisy(name, with_factors)
    start = make(name, key=1).init(PARAMS)
    first, again = run(start), run(make(name, key=1).init(PARAMS))
    assert jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), first, again))
    # The same devices under other pulses, and other devices.
    other_pulses = run(start._replace(key=jax.random.key(2)))
    other_devices = run(make(name, key=2).init(PARAMS)._replace(key=start.key))
    for other in (other_pulses, other_devices):
        assert (first[0]["w"] != other[0]["w"]).any()


@every_rule
def test_seed_and_typed_key_are_the_same(name):
    states = [make(name, key=key).init(PARAMS) for key in (7, jax.random.key(7))]
    for a, b in zip(*(jax.tree.leaves(state.weights) for state in states), strict=True):
        np.testing.assert_array_equal(a, b)


@every_family
def test_keys_of_another_generator_do_as_well(name):
    key = jax.random.key(3, impl="rbg")
    params, state = noisy(name, False)(make(name, key=key, pulses=NOISY).init(PARAMS))
    assert same(params["w"], composite(name, state.weights["w"]))
    assert (params["w"] != PARAMS["w"]).any()


@every_family
def test_another_layer_changes_no_draw_of_the_first(name):
    rule = make(name, pulses=NOISY)
    params, state, _ = compiled(rule, {"a": {"kernel": PARAMS["w"]}, "w": PARAMS["w"]})
    alone = noisy(name, True)(rule.init(PARAMS))
    assert same(params["w"], alone[0]["w"])
    jax.tree.map(same, state.weights["w"], alone[1].weights["w"])
    # The two layers themselves have devices and pulses of their own.
    assert (params["a"]["kernel"] != params["w"]).any()


@every_family
def test_nan_is_skipped_by_apply_if_finite_and_shown_otherwise(name):
    rule = make(name)
    wrapped = optax.apply_if_finite(rule, 3)
    bad = Factors(*(jnp.asarray(part).at[0, 0].set(jnp.nan) for part in batch(0)))

    @jax.jit
    def update(state, inner):
        args = {"w": gradient(bad)}, PARAMS
        shown, _ = rule.update(args[0], inner, args[1], factors={"w": bad})
        skipped, state = wrapped.update(args[0], state, args[1], factors={"w": bad})
        return shown["w"], skipped["w"], state

    state = wrapped.init(PARAMS)
    shown, skipped, after = update(state, rule.init(PARAMS))
    assert jnp.isnan(shown).all()
    assert not skipped.any()
    same(
        composite(name, after.inner_state.weights["w"]),
        composite(name, state.inner_state.weights["w"]),
        atol=0,
    )
    assert int(after.total_notfinite) == 1


@every_rule
def test_nan_outside_jit_names_the_parameter(name):
    rule = make(name)
    params = {"layer": {"kernel": PARAMS["w"]}}
    bad = {"layer": {"kernel": PARAMS["w"].at[0, 0].set(jnp.nan)}}
    with pytest.raises(ValueError, match="gradient of 'layer/kernel' is not finite"):
        rule.update(bad, rule.init(params), params)


@every_rule
def test_axes_before_the_last_are_inputs_of_one_matrix(name):
    kernel = {"w": PARAMS["w"].reshape(1, 3, 2)}
    state = make(name).init(kernel)
    assert composite(name, state.weights["w"]).shape == SHAPE
    rule = make(name)
    pair = batch(0)
    shapes = jax.eval_shape(
        lambda: rule.update(
            {"w": gradient(pair).reshape(1, 3, 2)}, state, kernel, factors={"w": pair}
        )[0]
    )
    assert shapes["w"].shape == (1, 3, 2)
