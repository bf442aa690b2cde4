"""Image sets: the digits, IDX files whole and damaged, and no network."""

import gzip
import struct

import numpy as np
import pooch
import pytest

from analogjax.experiments import DATASETS, load

NAMES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
SIZES = {"train": 5, "test": 3}


def idx(array):
    """The bytes of an IDX file of bytes."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def arrays(split):
    images = np.arange(SIZES[split] * 28 * 28, dtype=np.int64).reshape(-1, 28, 28)
    return (images % 256).astype(np.uint8), (np.arange(SIZES[split]) % 10).astype(np.uint8)


@pytest.fixture
def directory(tmp_path):
    """A complete small set of four files, not compressed."""
    for split, names in NAMES.items():
        for name, array in zip(names, arrays(split), strict=True):
            (tmp_path / name).write_bytes(idx(array))
    return tmp_path


def test_digits_are_split_four_to_one_and_scaled():
    data = load("digits")
    assert data.train_images.shape == (1438, 8, 8, 1)
    assert data.test_images.shape == (359, 8, 8, 1)
    assert data.train_labels.shape == (1438,)
    assert data.test_labels.shape == (359,)
    assert data.train_images.dtype == np.float32
    assert data.train_labels.dtype == np.int32
    assert (data.train_images.min(), data.train_images.max()) == (0.0, 1.0)
    assert set(data.test_labels) == set(range(10))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("dataset", ["mnist", "fashion-mnist"])
def test_files_give_their_images_in_zero_to_one_and_their_labels(directory, dataset, compressed):
    if compressed:
        for path in list(directory.iterdir()):
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    data = load(dataset, directory)
    for split in NAMES:
        images, labels = arrays(split)
        read = getattr(data, f"{split}_images")
        assert read.dtype == np.float32
        np.testing.assert_allclose(read, images[..., None] / 255.0, rtol=1e-6)
        np.testing.assert_array_equal(getattr(data, f"{split}_labels"), labels)


def test_train_size_keeps_the_first_images_and_all_test_images(directory):
    data, whole = load("mnist", directory, train_size=2), load("mnist", directory)
    np.testing.assert_array_equal(data.train_images, whole.train_images[:2])
    np.testing.assert_array_equal(data.train_labels, whole.train_labels[:2])
    np.testing.assert_array_equal(data.test_images, whole.test_images)


@pytest.mark.parametrize("train_size", [0, -3, 6])
def test_a_train_size_that_is_not_available_is_refused(directory, train_size):
    with pytest.raises(ValueError, match=f"between 1 and 5, got {train_size}"):
        load("mnist", directory, train_size=train_size)


IMAGES, LABELS = NAMES["train"]


def remove(directory):
    (directory / IMAGES).unlink()


def truncate(directory):
    path = directory / IMAGES
    path.write_bytes(path.read_bytes()[:-10])


def truncate_in_header(directory):
    path = directory / IMAGES
    path.write_bytes(path.read_bytes()[:9])


def empty(directory):
    (directory / IMAGES).write_bytes(b"")


def wrong_magic(directory):
    (directory / IMAGES).write_bytes(b"\x89PNG" + bytes(100))


def not_gzip(directory):
    (directory / IMAGES).rename(directory / f"{IMAGES}.gz")


def truncated_gzip(directory):
    path = directory / IMAGES
    (directory / f"{IMAGES}.gz").write_bytes(gzip.compress(path.read_bytes())[:-20])
    path.unlink()


def labels_for_images(directory):
    (directory / IMAGES).write_bytes((directory / LABELS).read_bytes())


@pytest.mark.parametrize(
    ("damage", "error", "reason"),
    [
        (remove, FileNotFoundError, "does not exist"),
        (truncate, ValueError, r"promises 3920 bytes of data, it holds 3910"),
        (truncate_in_header, ValueError, "ends within its header"),
        (empty, ValueError, "not an IDX file"),
        (wrong_magic, ValueError, "not an IDX file of bytes: its header is 89504e47"),
        (not_gzip, ValueError, "not a gzip file"),
        (truncated_gzip, ValueError, "is damaged"),
        (labels_for_images, ValueError, "1 axes, not 3"),
    ],
)
def test_a_damaged_file_is_named_in_one_sentence(directory, damage, error, reason):
    damage(directory)
    with pytest.raises(error, match=reason) as raised:
        load("mnist", directory)
    message = str(raised.value)
    assert str(directory / IMAGES) in message
    assert "\n" not in message
    assert message.endswith((".", "?"))


def test_as_many_labels_as_images_are_wanted(directory):
    (directory / LABELS).write_bytes(idx(arrays("train")[1][:-1]))
    with pytest.raises(ValueError, match="train files of mnist hold 5 images but 4 labels"):
        load("mnist", directory)


@pytest.mark.parametrize(
    ("dataset", "first"), [("fashion-mnist", [5, 0, 4, 1, 9]), ("mnist", [9, 0, 0, 3, 0])]
)
def test_the_files_of_the_other_set_are_refused(directory, dataset, first):
    path = directory / NAMES["train"][1]
    path.write_bytes(idx(np.array(first, np.uint8)))
    with pytest.raises(ValueError, match=f"is of .*, not of {dataset}: give its directory"):
        load(dataset, directory)


def test_digits_are_in_no_directory(tmp_path):
    with pytest.raises(ValueError, match="digits come with scikit-learn: leave out --data-dir"):
        load("digits", tmp_path)


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path / 'nowhere'} does not exist"):
        load("mnist", tmp_path / "nowhere")


def test_files_are_not_fetched_unless_asked_for(monkeypatch):
    monkeypatch.setattr(pooch, "retrieve", lambda *_, **__: pytest.fail("fetched"))
    with pytest.raises(ValueError, match=r"mnist needs its four IDX files.*--data-dir"):
        load("mnist")


def test_an_unknown_set_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match="'emnist'") as raised:
        load("emnist")
    assert all(name in str(raised.value) for name in DATASETS)


def test_a_failed_download_names_the_file_and_the_other_way(monkeypatch):
    def no_network(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr(pooch, "retrieve", no_network)
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz .*--data-dir"):
        load("mnist", download=True)


def test_a_download_reads_what_was_fetched_with_its_checksum(directory, monkeypatch):
    hashes = []

    def retrieve(url, known_hash, fname, path):
        del path
        hashes.append(known_hash)
        assert url.startswith("https://")
        raw = (directory / fname.removesuffix(".gz")).read_bytes()
        (directory / fname).write_bytes(gzip.compress(raw))
        return str(directory / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    assert load("fashion-mnist", download=True).train_images.shape == (5, 28, 28, 1)
    assert len(set(hashes)) == 4
    assert all(known.startswith("md5:") for known in hashes)
