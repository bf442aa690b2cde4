"""CIFAR: binary files and archives of JPEG files, whole and damaged, and no network."""

import io
import shutil

import jax
import numpy as np
import pooch
import pytest
from PIL import Image

from analogjax.experiments import load
from analogjax.experiments._cost_command import _IMAGES
from analogjax.experiments._options import TaskOptions

FOLDERS = {"cifar10": "cifar-10-batches-bin", "cifar100": "cifar-100-binary"}
FILES = {
    "cifar10": {
        "train": [f"data_batch_{i}.bin" for i in range(1, 6)],
        "test": ["test_batch.bin"],
    },
    "cifar100": {"train": ["train.bin"], "test": ["test.bin"]},
}
CLASSES = {"cifar10": 10, "cifar100": 100}
EACH = 2  # Images in a file.


def arrays(dataset, split):
    """Images ``(n, 32, 32, 3)`` and labels ``(n,)``."""
    n = EACH * len(FILES[dataset][split])
    images = np.random.default_rng(n).integers(0, 256, (n, 32, 32, 3), np.uint8)
    return images, (CLASSES[dataset] - 1 - np.arange(n)).astype(np.uint8)


def write_binary(directory, dataset):
    """Records of the label, for CIFAR-100 after the coarse one, and the three planes."""
    directory.mkdir(parents=True, exist_ok=True)
    for split, names in FILES[dataset].items():
        images, labels = arrays(dataset, split)
        planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        columns = [labels[:, None], planes]
        if dataset == "cifar100":
            columns.insert(0, np.full_like(labels[:, None], 200))
        records = np.concatenate(columns, 1)
        for i, name in enumerate(names):
            (directory / name).write_bytes(records[EACH * i : EACH * (i + 1)].tobytes())


def jpeg(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def smooth(n):
    """Images that JPEG files keep almost as they are, in colour."""
    rows, columns = np.mgrid[:32, :32]
    image = np.stack([5 * rows, 120 + 0 * rows, 7 * columns], -1)
    return np.stack([np.clip(image + 10 * i, 0, 255) for i in range(n)]).astype(np.uint8)


def write_archive(path, images, labels, changes=None):
    """Writes an archive of JPEG files, with changes to its arrays; None leaves one out."""
    files = [jpeg(image) for image in images]
    arrays = {
        "jpeg": np.frombuffer(b"".join(files), np.uint8),
        "offsets": np.cumsum([0, *map(len, files)]),
        "labels": labels,
    }
    arrays |= changes or {}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


@pytest.fixture
def archives(tmp_path):
    """A directory of two small archives of JPEG files."""
    write_archive(tmp_path / "train.npz", smooth(3), np.array([0, 9, 4], np.uint8))
    write_archive(tmp_path / "test.npz", smooth(2), np.array([1, 0], np.uint8))
    return tmp_path


def test_the_commands_train_on_cifar10(tmp_path):
    write_binary(tmp_path, "cifar10")
    task = TaskOptions(dataset="cifar10", data_dir=tmp_path)
    images = task.images().train_images
    assert images.shape[1:] == _IMAGES["cifar10"]
    params = jax.eval_shape(task.model().init, jax.random.key(0), images)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 117_866
    assert jax.eval_shape(task.model().apply, params, images).shape == (len(images), 10)


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("dataset", CLASSES)
def test_binary_files_give_their_images_in_zero_to_one_and_their_labels(tmp_path, dataset, above):
    write_binary(tmp_path / FOLDERS[dataset] if above else tmp_path, dataset)
    data = load(dataset, tmp_path)
    for split in ("train", "test"):
        images, labels = arrays(dataset, split)
        read, read_labels = getattr(data, f"{split}_images"), getattr(data, f"{split}_labels")
        assert (read.dtype, read_labels.dtype) == (np.float32, np.int32)
        np.testing.assert_allclose(read, images / 255.0, rtol=1e-6)
        np.testing.assert_array_equal(read_labels, labels)
    np.testing.assert_array_equal(
        load(dataset, tmp_path, train_size=1).train_images, data.train_images[:1]
    )


def test_archives_give_their_images_in_zero_to_one_and_their_labels(archives):
    data = load("cifar10", archives)
    assert (data.train_images.dtype, data.train_labels.dtype) == (np.float32, np.int32)
    np.testing.assert_allclose(data.train_images, smooth(3) / 255.0, atol=8 / 255)
    assert data.test_images.shape == (2, 32, 32, 3)
    assert data.train_labels.tolist() == [0, 9, 4]
    assert data.test_labels.tolist() == [1, 0]


def test_the_decoded_images_are_those_of_pillow(archives):
    wanted = [np.asarray(Image.open(io.BytesIO(jpeg(image)))) for image in smooth(3)]
    data = load("cifar10", archives)
    np.testing.assert_array_equal(data.train_images, np.stack(wanted) / np.float32(255))


def one_sentence(raised, path):
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    assert message.endswith(".")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-10])


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def wrong_label(path):
    raw = bytearray(path.read_bytes())
    raw[1] = raw[0] = 100
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("dataset", "damage", "error", "reason"),
    [
        ("cifar10", truncate, ValueError, "holds 6136 bytes.*images of 3073 bytes"),
        ("cifar10", empty, ValueError, "holds 0 bytes"),
        ("cifar10", remove, FileNotFoundError, "does not exist"),
        ("cifar10", wrong_label, ValueError, "the label 100, but labels of cifar10 are 0 to 9"),
        ("cifar100", truncate, ValueError, "holds 6138 bytes.*images of 3074 bytes"),
        ("cifar100", wrong_label, ValueError, "the label 100, but .* are 0 to 99"),
    ],
)
def test_a_damaged_binary_file_is_named_in_one_sentence(tmp_path, dataset, damage, error, reason):
    write_binary(tmp_path, dataset)
    path = tmp_path / FILES[dataset]["train"][-1]
    damage(path)
    with pytest.raises(error, match=reason) as raised:
        load(dataset, tmp_path)
    one_sentence(raised, path)


@pytest.mark.parametrize("damage", [truncate, empty])
def test_a_damaged_archive_is_named_in_one_sentence(archives, damage):
    damage(archives / "train.npz")
    with pytest.raises(ValueError, match="damaged or not an archive of JPEG files") as raised:
        load("cifar10", archives)
    one_sentence(raised, archives / "train.npz")


def test_one_of_two_archives_is_not_enough(archives):
    (archives / "test.npz").unlink()
    with pytest.raises(FileNotFoundError, match=r"test\.npz does not exist"):
        load("cifar10", archives)


def test_an_array_in_place_of_an_archive_is_refused(archives):
    with open(archives / "train.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="damaged or not an archive of JPEG files") as raised:
        load("cifar10", archives)
    one_sentence(raised, archives / "train.npz")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"labels": None}, "labels is not a file in the archive"),
        ({"labels": np.array(["a", "b"], dtype=object)}, "not an archive of JPEG files"),
        ({"labels": np.array([0.5, 1.5])}, "'labels' should be a vector of integer.*float64"),
        ({"labels": np.array([0, 1, 2])}, "3 labels need 4 offsets, not 3"),
        ({"labels": np.array([0, 10])}, "the label 10, but labels of cifar10 are 0 to 9"),
        ({"labels": np.array([0, -1])}, "the label -1, but labels of cifar10 are 0 to 9"),
        ({"labels": np.zeros(0, int), "offsets": np.zeros(1, int)}, "holds no images"),
        ({"offsets": np.array([0, 10, 20])}, "do not rise from 0 to the"),
        ({"jpeg": np.zeros(30, np.uint8), "offsets": np.array([0, 10, 30])}, "image 0 is no JPEG"),
    ],
)
def test_arrays_that_do_not_fit_are_named(archives, changes, reason):
    write_archive(archives / "train.npz", smooth(2), np.array([0, 1]), changes)
    with pytest.raises(ValueError, match=reason) as raised:
        load("cifar10", archives)
    one_sentence(raised, archives / "train.npz")


def test_a_jpeg_file_that_is_cut_off_is_named(archives):
    raw = jpeg(smooth(1)[0])[:-100]
    changes = {"jpeg": np.frombuffer(raw, np.uint8), "offsets": np.array([0, len(raw)])}
    write_archive(archives / "train.npz", smooth(1), np.array([0]), changes)
    with pytest.raises(ValueError, match="image 0 is no JPEG file") as raised:
        load("cifar10", archives)
    one_sentence(raised, archives / "train.npz")


def test_images_of_another_size_are_refused(archives):
    write_archive(archives / "train.npz", smooth(2)[:, :28], np.array([0, 1]))
    with pytest.raises(ValueError, match="32 by 32 pixels, but image 0 has 28 by 32") as raised:
        load("cifar10", archives)
    one_sentence(raised, archives / "train.npz")


@pytest.mark.parametrize("dataset", CLASSES)
def test_a_directory_without_the_files_is_told_which_they_are(tmp_path, dataset):
    with pytest.raises(FileNotFoundError, match=FILES[dataset]["test"][0]) as raised:
        load(dataset, tmp_path)
    one_sentence(raised, tmp_path)


def test_files_are_not_fetched_unless_asked_for(monkeypatch):
    monkeypatch.setattr(pooch, "retrieve", lambda *_, **__: pytest.fail("fetched"))
    with pytest.raises(ValueError, match=r"cifar100 needs its files.*--data-dir"):
        load("cifar100")


def test_a_failed_download_names_the_file_and_the_other_way(monkeypatch):
    def no_network(*_, **__):
        raise OSError("Name or service not known")

    monkeypatch.setattr(pooch, "retrieve", no_network)
    with pytest.raises(FileNotFoundError, match=r"cifar-10-binary\.tar\.gz .*--data-dir"):
        load("cifar10", download=True)


@pytest.mark.parametrize("dataset", CLASSES)
def test_a_download_reads_what_was_unpacked(tmp_path, monkeypatch, dataset):
    """The archive is packed by the test and unpacked by pooch."""

    def retrieve(url, known_hash, fname, path, processor):
        del path
        assert url.startswith("https://")
        assert known_hash.startswith("md5:")
        return processor(str(tmp_path / fname), "download", None)

    write_binary(tmp_path / FOLDERS[dataset], dataset)
    (tmp_path / FOLDERS[dataset] / "readme.html").write_text("")
    name = FOLDERS[dataset].replace("-batches-bin", "-binary")
    shutil.make_archive(str(tmp_path / name), "gztar", tmp_path, FOLDERS[dataset])
    monkeypatch.setattr(pooch, "retrieve", retrieve)
    data = load(dataset, download=True)
    np.testing.assert_array_equal(data.train_labels, arrays(dataset, "train")[1])
