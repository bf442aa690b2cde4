"""Which settings a rule looks at, so that none is given in vain."""

import dataclasses

from analogjax.experiments._rules import RuleSettings

_DIGITAL = {"rule", "learning_rate"}
_ANALOG = _DIGITAL | {"digital_learning_rate"}
_TRANSFERS = _ANALOG | {"gamma", "transfer_lr", "transfer_every", "reads_per_transfer"}
_STAGES = _TRANSFERS | {"num_tiles", "warm_start"}
USED = {
    "digital-sgd": _DIGITAL,
    "analog-sgd": _ANALOG,
    "mixed-precision": _ANALOG,
    "tiki-taka": _TRANSFERS,
    "tiki-taka-v2": _TRANSFERS,
    "chopped-tiki-taka": _TRANSFERS | {"chop_prob"},
    "agad": _TRANSFERS | {"chop_prob"},
    "residual-learning-v2": _TRANSFERS,
    "residual-learning": _STAGES | {"transfer_threshold", "warm_start_from"},
    "buffered-residual-learning": _STAGES,
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
        if not any(name in USED[rule] for rule in rules):
            users = ", ".join(rule for rule, used in USED.items() if name in used)
            raise ValueError(
                f"{name} is no setting of {' or '.join(rules)}: leave it out, or choose a rule "
                f"that has it ({users})."
            )
