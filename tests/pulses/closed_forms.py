"""The stochastic update in closed form, in float64 NumPy, and how to compare samples with it.

With P = p_x p_d the count of a crosspoint is Binomial(BL, P); counts of crosspoints that share a
line share its bits. Written from the equations, independently of the package.
"""

import numpy as np

# Two-sided 5.5 standard errors: a right program fails one comparison in 26 million, so that the
# few thousand comparisons of these tests together fail for one choice of seeds in 5,000.
SIGMAS = 5.5


def line_probabilities(x, d, rate, granularity, bl_max, management, bl_management):
    """Probabilities on the lines of one vector pair, and its number of slots."""
    x, d = np.abs(np.asarray(x, float)), np.abs(np.asarray(d, float))
    top_x, top_d = x.max(), d.max()
    if top_x == 0 or top_d == 0:
        return 0 * x, 0 * d, 0
    wanted = rate * top_x * top_d / granularity
    bl = min(int(np.ceil(wanted)), bl_max) if bl_management else bl_max
    a = b = np.sqrt(rate / (granularity * bl))
    if management or bl_management:
        if wanted > bl_max:
            top_d *= bl_max / wanted
        a *= np.sqrt(top_x / top_d)
        b *= np.sqrt(top_d / top_x)
    return np.minimum(1, b * x), np.minimum(1, a * d), bl


def count_moments(px, pd, bl):
    """Mean and full covariance of the counts of one vector pair, ``(in, out)`` flattened."""
    mean = bl * np.outer(px, pd)
    joint = np.einsum("i,o,j,p->iojp", px, pd, px, pd)
    same_in, same_out = np.eye(len(px))[:, None, :, None], np.eye(len(pd))[None, :, None, :]
    share_x = np.where(px > 0, 1 / np.where(px > 0, px, 1), 1)[:, None, None, None]
    share_d = np.where(pd > 0, 1 / np.where(pd > 0, pd, 1), 1)[None, :, None, None]
    both = joint * np.where(same_in == 1, share_x, 1) * np.where(same_out == 1, share_d, 1)
    covariance = bl * (both - joint)
    return mean.ravel(), covariance.reshape(mean.size, mean.size)


def batch_moments(x, d, rate, granularity, *settings):
    """Mean and exact variance of the up and of the down counts of a mini-batch, ``(in, out)``."""
    moments = {True: [0.0, 0.0], False: [0.0, 0.0]}
    for one_x, one_d in zip(x, d, strict=True):
        px, pd, bl = line_probabilities(one_x, one_d, rate, granularity, *settings)
        prob, up = np.outer(px, pd), np.outer(one_x, one_d) < 0
        for direction, sent in ((True, up), (False, ~up)):
            moments[direction][0] = moments[direction][0] + sent * bl * prob
            moments[direction][1] = moments[direction][1] + sent * bl * prob * (1 - prob)
    return moments[True], moments[False]


def mean_score(sample, expected, extra_variance=0.0):
    """Largest distance of the sample's means from ``expected``, in standard errors.

    Where nothing varies the means must agree to 1e-6 (score 0 or infinite).
    """
    sample = np.asarray(sample, float)
    error = np.sqrt(sample.var(0) / len(sample) + extra_variance)
    gap = np.abs(sample.mean(0) - expected)
    steady = error < 1e-8
    score = np.where(steady, np.where(gap < 1e-6, 0, np.inf), gap / np.where(steady, 1, error))
    return score.max()


def two_sample_score(first, second):
    """As :func:`mean_score`, between two samples."""
    second = np.asarray(second, float)
    return mean_score(first, second.mean(0), second.var(0) / len(second))


def shuffled(x, d, repeats):
    """The samples of a mini-batch in a random order for each repetition."""
    rng = np.random.default_rng(5)
    order = rng.permuted(np.broadcast_to(np.arange(len(x)), (repeats, len(x))), axis=1)
    return np.asarray(x)[order], np.asarray(d)[order]
