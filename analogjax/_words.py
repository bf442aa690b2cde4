"""Values as tables and figures say them."""


def setting(value) -> str:
    """The value of a setting: a number as short as can be, anything else as it is."""
    return f"{value:g}" if isinstance(value, int | float) else str(value)
