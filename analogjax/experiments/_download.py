"""Files fetched into the cache of the operating system."""

from pathlib import Path


def fetch(url: str, checksum: str, dataset: str, *, unpack: bool = False) -> list[Path]:
    """Downloads a file unless the cache has it, its checksum verified.

    Args:
      url: address of the file.
      checksum: algorithm and sum, as ``md5:...``.
      dataset: folder within the cache.
      unpack: the file is a tar archive; return what it holds.

    Returns:
      The file, or all files of the archive.

    Raises:
      FileNotFoundError: if the download fails; the message says what to do instead.
    """
    import pooch

    more = {"processor": pooch.Untar()} if unpack else {}
    name = url.rpartition("/")[-1]
    path = pooch.os_cache("analogjax") / dataset
    try:
        found = pooch.retrieve(url, checksum, fname=name, path=path, **more)
    except OSError as error:
        raise FileNotFoundError(
            f"{url} could not be downloaded ({type(error).__name__}); fetch it by other means and "
            f"give its directory with --data-dir."
        ) from error
    return [Path(file) for file in (found if unpack else [found])]
