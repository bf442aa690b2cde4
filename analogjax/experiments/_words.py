"""Numbers as tables and messages say them."""


def counted(number: int, word: str) -> str:
    """A number of things: "1 seed", "2 seeds"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def pulses_sent(number: float, rule: str) -> str:
    """A number of pulses, in thousands where there are many; none where there are no arrays."""
    if rule == "digital-sgd":
        return "-"
    return f"{number:,.0f}" if number < 1000 else f"{number / 1e3:,.0f} k"
