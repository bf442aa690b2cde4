"""Shared by the tests of the commands."""

import pooch
import pytest

from analogjax.experiments._cli import main


@pytest.fixture
def refused(tmp_path, capsys, monkeypatch):
    """Runs a command that must fail, without network, and gives the one line it says."""

    def no_network(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr(pooch, "retrieve", no_network)

    def call(*arguments):
        out = tmp_path / "out"
        assert main([*arguments, "--out", str(out)]) == 2
        said = capsys.readouterr().err
        assert said.startswith("analogjax: ")
        assert said.count("\n") == 1
        assert not out.exists()
        return said

    return call
