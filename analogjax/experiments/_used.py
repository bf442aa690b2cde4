"""Which settings a rule looks at, so that none is given in vain."""

import dataclasses

from analogjax.experiments._rules import RuleSettings

_RATES = {"rule", "learning_rate"}
_ANALOG = _RATES | {"digital_learning_rate"}
_TWO_TILES = _ANALOG | {"gamma", "transfer_lr", "transfer_every", "reads_per_transfer"}
_CHOPPED = _TWO_TILES | {"chop_prob"}
_BUFFERED = _TWO_TILES | {"num_tiles", "warm_start"}
_USED = {
    "digital-sgd": _RATES,
    "analog-sgd": _ANALOG,
    "mixed-precision": _ANALOG,
    "tiki-taka": _TWO_TILES,
    "tiki-taka-v2": _TWO_TILES,
    "chopped-tiki-taka": _CHOPPED,
    "agad": _CHOPPED,
    "residual-learning-v2": _TWO_TILES,
    "residual-learning": _BUFFERED | {"transfer_threshold", "warm_start_from"},
    "buffered-residual-learning": _BUFFERED,
}


def check_used(settings: RuleSettings, swept: dict[str, list] | None = None) -> None:
    """Raises a ValueError for a setting of its own that the rule, or every swept one, ignores.

    Args:
      settings: of known rules.
      swept: what is swept over, by name.
    """
    swept = swept or {}
    rules = swept.get("rule", [settings.rule])
    fields = dataclasses.fields(settings)
    given = [f.name for f in fields if f.name in swept or getattr(settings, f.name) != f.default]
    for name in given:
        if not any(name in _USED[rule] for rule in rules):
            users = ", ".join(rule for rule, used in _USED.items() if name in used)
            raise ValueError(
                f"{name} is no setting of {' or '.join(rules)}: leave it out, or choose a rule "
                f"that has it ({users})."
            )
