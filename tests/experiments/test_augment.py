"""Random changes of images: their laws, and the operations of AutoAugment against Pillow."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from analogjax.experiments._augment import cutout, flip, shift
from analogjax.experiments._auto_augment import POLICY, amount_of, auto_augment
from analogjax.experiments._image_ops import BLENDS, MOVES, OPERATIONS, apply_change, make_change
from analogjax.experiments.papers._resnet import augment

SIZE, SMALL = 32, 16
N = 2048
CHANGES = {"shift": shift, "flip": flip, "cutout": cutout, "auto_augment": auto_augment}
JITTED = {name: jax.jit(change) for name, change in CHANGES.items()}


def pictures():
    """Smooth, noisy, dim, plain, two-valued and single-dotted images, ``(6, 32, 32, 3)``."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    smooth = np.stack([4 * rows + columns, 7 * columns, 255 - 3 * rows - 2 * columns], -1)
    noisy = rng.integers(0, 256, (SIZE, SIZE, 3))
    dim = rng.integers(90, 131, (SIZE, SIZE, 3))
    plain = np.full((SIZE, SIZE, 3), (20, 128, 250))
    two = np.where(rng.random((SIZE, SIZE, 3)) < 0.3, 40, 200)
    dot = plain.copy()
    dot[5, 7] = 255, 0, 3
    return np.stack([smooth, noisy, dim, plain, two, dot]).astype(np.uint8)


def batch(image):
    """The same image ``N`` times."""
    return jnp.broadcast_to(image, (N, *image.shape))


def stacked(changes):
    """The leaves of several changes as arrays."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *changes)


def variants(name, probability, magnitude):
    """The changes an operation of the policy may come to, each with its probability."""
    amount = amount_of(name, magnitude, SMALL, SMALL)
    opposite = -amount if name in MOVES else 2 - amount if name in BLENDS else amount
    made = [make_change(name, x, SMALL, SMALL) for x in (amount, opposite)]
    nothing = make_change(None, 0.0, SMALL, SMALL)
    return [*((change, probability / 2) for change in made), (nothing, 1 - probability)]


def with_pillow(image, name, amount):
    """The operation as Pillow does it."""
    slopes = {
        "shear_x": (1, amount, 0, 0, 1, 0),
        "shear_y": (1, 0, 0, amount, 1, 0),
        "translate_x": (1, 0, -amount, 0, 1, 0),
        "translate_y": (1, 0, 0, 0, 1, -amount),
    }
    if name in slopes:
        return image.transform(image.size, Image.Transform.AFFINE, slopes[name])
    if name == "rotate":
        return image.rotate(amount)
    if name in BLENDS:
        return getattr(ImageEnhance, name.capitalize())(image).enhance(amount)
    if name in ("solarize", "posterize"):
        return getattr(ImageOps, name)(image, amount)
    return getattr(ImageOps, name.replace("_", ""))(image)


AMOUNTS = {
    "shear_x": (0.3, -0.07),
    "shear_y": (0.3 * 8 / 9, -0.3),
    "translate_x": (14, -12),
    "translate_y": (4, -14),
    "rotate": (6.7, -30.0),
    "brightness": (1.9, 0.3),
    "contrast": (1.7, 0.4),
    "color": (1.9, 0.1),
    "sharpness": (1.9, 0.1),
    "solarize": (198.3, 113.0),
    "posterize": (5, 8),
}
CASES = [(name, amount) for name in OPERATIONS for amount in AMOUNTS.get(name, (0,))]


@pytest.fixture(scope="module")
def changed():
    """All pictures after all operations, ``(cases, pictures, 32, 32, 3)``, in one compiled call."""
    made = stacked([make_change(name, amount, SIZE, SIZE) for name, amount in CASES])
    apply = jax.vmap(jax.vmap(apply_change, (0, None)), (None, 0))
    images = jax.jit(apply)(pictures().astype(np.int32), made)
    return dict(zip(CASES, np.asarray(images), strict=True))


@pytest.mark.parametrize(("name", "amount"), CASES)
def test_an_operation_is_that_of_pillow(changed, name, amount):
    wanted = [np.asarray(with_pillow(Image.fromarray(x), name, amount)) for x in pictures()]
    # Pillow truncates products of rounded numbers, which may fall short of a whole number.
    off = 1 if name in (*BLENDS, "auto_contrast") else 0
    difference = np.abs(changed[name, amount] - np.stack(wanted).astype(int))
    assert difference.max() <= off
    assert (difference > 0).mean() < 0.01


def test_no_change_changes_nothing():
    image = pictures()[1].astype(np.int32)
    same = jax.jit(apply_change)(image, make_change(None, 0.0, SIZE, SIZE))
    np.testing.assert_array_equal(same, image)


def test_an_unknown_operation_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="'blur'; choose one of shear_x"):
        make_change("blur", 1, SIZE, SIZE)


@pytest.mark.parametrize(
    ("name", "magnitude", "amount"),
    [
        ("shear_y", 9, 0.3),
        ("translate_x", 9, 14),
        ("translate_y", 3, 4),
        ("rotate", 3, 10.0),
        ("brightness", 0, 1.0),
        ("color", 9, 1.9),
        ("solarize", 3, 170),
        ("posterize", 7, 5),
        ("invert", 0, 0),
    ],
)
def test_a_magnitude_stands_for_the_published_amount(name, magnitude, amount):
    assert amount_of(name, magnitude, SIZE, SIZE) == pytest.approx(amount, abs=1e-12)


def test_each_image_meets_one_pair_of_operations_with_their_probabilities():
    """Every result is one of those of the policy, and each as frequent as the policy says."""
    image = pictures()[1, :SMALL, :SMALL]
    first, second, probability = [], [], []
    for (name, p, magnitude), (other, q, size) in POLICY:
        for change, share in variants(name, p, magnitude):
            for change_2, share_2 in variants(other, q, size):
                first.append(change)
                second.append(change_2)
                probability.append(share * share_2 / len(POLICY))
    apply = jax.jit(jax.vmap(apply_change))
    images = jnp.asarray(np.stack([image.astype(np.int32)] * len(first)))
    outcomes = np.asarray(apply(apply(images, stacked(first)), stacked(second)))
    outcomes, which = np.unique(outcomes.reshape(len(first), -1), axis=0, return_inverse=True)
    wanted = N * np.bincount(which.ravel(), probability)

    out = JITTED["auto_augment"](jax.random.key(0), batch(image / np.float32(255)))
    out = np.rint(255 * np.asarray(out)).reshape(N, -1)
    nearest = ((outcomes**2).sum(1) - 2 * out @ outcomes.T.astype(float)).argmin(1)
    assert np.abs(out - outcomes[nearest]).max() <= 1
    counts = np.bincount(nearest, minlength=len(outcomes))
    assert np.all(np.abs(counts - wanted) <= 5 * np.sqrt(wanted) + 1e-6)


def test_a_shift_is_equally_likely_everywhere_and_leaves_black():
    picture = np.arange(1, SMALL**2 + 1, dtype=np.float32).reshape(SMALL, SMALL, 1) / SMALL**2
    out = np.asarray(JITTED["shift"](jax.random.key(0), batch(picture)))
    source = np.rint(out[:, 8, 8, 0] * SMALL**2).astype(int) - 1
    down, right = source // SMALL - 8, source % SMALL - 8
    counts = np.histogram2d(down, right, bins=np.arange(-4, 6) - 0.5)[0]
    assert counts.sum() == N
    assert ((counts - N / 81) ** 2 / (N / 81)).sum() < 80 + 5 * np.sqrt(160)
    padded = np.pad(picture, ((4, 4), (4, 4), (0, 0)))
    for i in range(50):
        top, left = 4 + down[i], 4 + right[i]
        np.testing.assert_array_equal(out[i], padded[top : top + SMALL, left : left + SMALL])


def test_half_of_the_images_are_mirrored():
    picture = pictures()[1, :SMALL, :SMALL] / np.float32(255)
    out = np.asarray(JITTED["flip"](jax.random.key(0), batch(picture)))
    mirrored = (out == picture[:, ::-1]).all((1, 2, 3))
    assert np.all(mirrored ^ (out == picture).all((1, 2, 3)))
    assert mirrored.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(N))


def test_cutout_covers_a_rectangle_of_one_grey_in_half_of_the_images():
    white = np.ones((SMALL, SMALL, 3), np.float32)
    out = np.asarray(JITTED["cutout"](jax.random.key(0), batch(white)))
    covered = (out < 1).all(-1)
    np.testing.assert_array_equal(covered, (out < 1).any(-1))
    rows, columns = covered.any(2), covered.any(1)
    np.testing.assert_array_equal(covered, rows[:, :, None] & columns[:, None, :])
    for side in (rows, columns):
        assert np.abs(np.diff(side.astype(int), axis=1, prepend=0, append=0)).sum(1).max() == 2
    grey = out.min((1, 2, 3))
    assert np.all((out == 1) | (out == grey[:, None, None, None]))

    chosen = covered.any((1, 2))
    assert chosen.mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(N))
    error = 5 / np.sqrt(12 * chosen.sum())
    assert grey[chosen].mean() == pytest.approx(0.5, abs=error)
    assert grey[chosen].std() == pytest.approx(1 / np.sqrt(12), abs=error)
    height, width = rows.sum(1)[chosen], columns.sum(1)[chosen]
    share = height * width / SMALL**2
    assert share.mean() == pytest.approx(0.21, abs=0.38 * error + 0.002)
    assert share.std() == pytest.approx(0.38 / np.sqrt(12), abs=0.38 * error)
    assert share.min() >= 0.5 * 0.02
    assert share.max() <= 0.4 + SMALL / SMALL**2
    ratio = np.log(height / width)
    assert ratio.mean() == pytest.approx(0.0, abs=2 * np.log(2.5) * error)
    assert ratio.std() == pytest.approx(2 * np.log(2.5) / np.sqrt(12), abs=0.05)
    for side, length in ((rows, height), (columns, width)):
        start, free = side[chosen].argmax(1), SMALL - length
        place = (start[free > 0] + 0.5) / (free[free > 0] + 1)
        assert place.mean() == pytest.approx(0.5, abs=error)
        assert place.std() == pytest.approx(1 / np.sqrt(12), abs=0.02)


def test_cutout_cuts_a_side_longer_than_the_image():
    erase = functools.partial(cutout, probability=1.0, area=(0.4, 0.4), aspect=16.0)
    out = jax.jit(erase)(jax.random.key(0), jnp.ones((64, 4, 16, 1)))
    covered = np.asarray(out < 1)[..., 0]
    assert covered.any((1, 2)).all()
    assert covered.all(1).any()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_depends_on_the_key_alone_and_stays_in_range(name):
    """Also when several batches are changed at once, each with a key of its own."""
    images = batch(pictures()[1, :SMALL, :SMALL] / np.float32(255))
    keys = jax.random.split(jax.random.key(1), 2)
    alone = [np.asarray(JITTED[name](key, images)) for key in keys]
    together = jax.jit(jax.vmap(CHANGES[name], (0, None)))(keys, images)
    assert together.dtype == jnp.float32
    assert np.all((together >= 0) & (together <= 1))
    assert not np.array_equal(alone[0], alone[1])
    np.testing.assert_array_equal(JITTED[name](keys[0], images), alone[0])
    assert np.abs(together - np.stack(alone)).max() < 1.01 / 255


@pytest.mark.parametrize("change", CHANGES.values())
@pytest.mark.parametrize(
    ("shape", "dtype", "reason"),
    [((8, 8, 3), "float32", r"shape \(8, 8, 3\)"), ((2, 8, 8, 3), "uint8", "got uint8")],
)
def test_what_is_no_batch_of_images_is_refused(change, shape, dtype, reason):
    with pytest.raises(ValueError, match=reason):
        change(jax.random.key(0), np.zeros(shape, dtype))


def test_shift_and_auto_augment_name_what_they_cannot_do():
    grey = np.zeros((2, 8, 8, 1), np.float32)
    with pytest.raises(ValueError, match="at least 0 pixels, got -1"):
        shift(jax.random.key(0), grey, pad=-1)
    with pytest.raises(ValueError, match="needs images of 3 channels, red to blue, got 1"):
        auto_augment(jax.random.key(0), grey)


def test_the_augmentation_of_the_residual_networks_leaves_images():
    images = jax.random.uniform(jax.random.key(0), (4, SIZE, SIZE, 3))
    changed = jax.jit(augment)(jax.random.key(1), images)
    assert changed.shape == images.shape
    assert 0 <= changed.min() <= changed.max() <= 1
    assert not jnp.allclose(changed, images, atol=0.1)
