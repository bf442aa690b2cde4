"""Models, and arguments of flax's layers, that an array has no use for."""


def refuse(layer, **defaults) -> None:
    """Raises a ValueError if an argument of a layer is not the default, which is all there is.

    Args:
      layer: a layer that holds its arguments.
      **defaults: the arguments to look at, with their defaults; None is one, too.
    """
    for name, default in defaults.items():
        given = getattr(layer, name)
        if not _is(given, default):
            shown = f"an array {given.shape}" if hasattr(given, "shape") else given
            raise ValueError(
                f"{type(layer).__name__} has {name}={shown}, which no crossbar does: leave it "
                f"out, or keep the layer digital."
            )


def no_model(model, wanted: str, other: str, others: str) -> TypeError:
    """The error for what is no model of a kind, and which function takes the other kind."""
    what = model.__name__ if isinstance(model, type) else type(model).__name__
    return TypeError(f"model must be {wanted}, got {what}; {other} takes those of {others}.")


def _is(given, default) -> bool:
    if isinstance(given, tuple | list) and given:  # One for each axis.
        return all(_is(each, default) for each in given)
    if given is None or given is default:
        return True
    return not hasattr(given, "shape") and given == default
