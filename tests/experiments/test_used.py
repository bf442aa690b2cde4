"""Which settings a rule looks at: what is said of it is what it does."""

import dataclasses

import jax
import pytest

from analogjax.devices import SoftBounds
from analogjax.experiments._rules import RuleSettings, make_optimizer
from analogjax.experiments._used import USED, check_used

FIELDS = {field.name for field in dataclasses.fields(RuleSettings)} - {"rule"}


@pytest.mark.parametrize("rule", USED)
@pytest.mark.parametrize("name", sorted(FIELDS))
def test_a_rule_looks_at_what_it_is_said_to(rule, name):
    nonsense = dataclasses.replace(RuleSettings(rule=rule).complete(), **{name: -1})

    def build():
        return make_optimizer(
            nonsense, SoftBounds(), jax.random.key(0), epochs=1, steps_per_epoch=1
        )

    if name in USED[rule]:
        with pytest.raises((TypeError, ValueError)):
            build()
    else:
        build()


def test_a_setting_that_the_rule_ignores_is_refused():
    with pytest.raises(ValueError, match="num_tiles is no setting of tiki-taka: leave it out, or"):
        check_used(RuleSettings(rule="tiki-taka", num_tiles=4))
    with pytest.raises(ValueError, match=r"chop_prob .* choose .* \(chopped-tiki-taka, agad\)"):
        check_used(RuleSettings(), {"chop_prob": [0.1, 0.2]})
    check_used(RuleSettings(), {"rule": ["agad", "analog-sgd"], "chop_prob": [0.1, 0.2]})
