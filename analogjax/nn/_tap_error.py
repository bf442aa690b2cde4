"""What is said where taps cannot be made."""


def tap_error(remedy: str, error: Exception) -> ValueError:
    """An error that names the remedy first, then how the pass that makes the taps failed."""
    said = str(error).partition("\n")[0]
    return ValueError(f"{remedy} It failed with {type(error).__name__}: {said}")
