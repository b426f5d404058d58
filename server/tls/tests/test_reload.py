"""Certificates that change while the server runs (``client.certReload``)."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from zoolet.server.setting import ConfigError
from zoolet.server.tls.certificates import Certified
from zoolet.server.tls.context import TlsSettings
from zoolet.server.tls.reload import ContextSource
from zoolet.server.tls.stores import StoreFile


def settings_in(folder: Path) -> TlsSettings:
    return TlsSettings(
        prefix="ssl.",
        key_store=StoreFile("ssl.keyStore", str(folder / "key.pem")),
        trust_store=StoreFile("ssl.trustStore", str(folder / "trust.pem")),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Certified.authority("one").write_pem(tmp_path / "key.pem")
    Certified.authority("two").write_trust(tmp_path / "trust.pem")
    return tmp_path


def touch_later(path: Path) -> None:
    """A change that a coarse clock could hide."""
    found = os.stat(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000))


@pytest.mark.parametrize("name", ["key.pem", "trust.pem"])
def test_new_connections_use_changed_files(folder: Path, name: str) -> None:
    source = ContextSource(settings_in(folder), reloads=True)
    before = source.context
    assert source.context is before
    new = Certified.authority("three")
    new.write_pem(folder / name) if name == "key.pem" else new.write_trust(folder / name)
    touch_later(folder / name)
    assert source.context is not before
    assert source.context is source.context


def test_a_file_that_is_replaced_as_a_whole_is_noticed(folder: Path) -> None:
    """As Kubernetes and certbot do it."""
    source = ContextSource(settings_in(folder), reloads=True)
    before = source.context
    os.replace(Certified.authority("three").write_pem(folder / "new.pem"), folder / "key.pem")
    assert source.context is not before


def test_files_that_cannot_be_used_leave_the_old_ones(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = ContextSource(settings_in(folder), reloads=True)
    before = source.context
    (folder / "key.pem").write_bytes(b"half a file")
    for _ in range(3):
        assert source.context is before
    [line] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert line.startswith("changed certificates are not used, the old ones stay: ssl.keyStore.location=")
    (folder / "key.pem").unlink()
    assert source.context is before
    Certified.authority("three").write_pem(folder / "key.pem")
    assert source.context is not before


def test_nothing_is_read_again_unless_asked_for(folder: Path) -> None:
    source = ContextSource(settings_in(folder), reloads=False)
    before = source.context
    (folder / "key.pem").unlink()
    assert source.context is before


def test_the_first_files_must_be_good(folder: Path) -> None:
    (folder / "key.pem").unlink()
    with pytest.raises(ConfigError, match="No such file"):
        ContextSource(settings_in(folder), reloads=True)
