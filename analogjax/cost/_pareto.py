"""What cannot be had for less."""

import numpy as np


def pareto_front(costs, accuracies) -> list[int]:
    """The choices of which no other is as accurate for less, or more accurate for as much.

    Args:
      costs: of each choice.
      accuracies: of each choice; one that is no number, or has no number for a cost, is left out.

    Returns:
      Their numbers, the cheapest first; of equal ones the first.

    Example:
      >>> from analogjax.cost import pareto_front
      >>> pareto_front([3.0, 1.0, 2.0], [0.9, 0.5, 0.4])
      [1, 0]
    """
    costs, accuracies = np.asarray(costs, float), np.asarray(accuracies, float)
    front: list[int] = []
    known = ~np.isnan(costs + accuracies)
    for index in (n for n in np.lexsort((-accuracies, costs)) if known[n]):
        if not front or accuracies[index] > accuracies[front[-1]]:
            front.append(int(index))
    return front
