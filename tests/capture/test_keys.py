import os
from pathlib import Path

import pytest

from capture.errors import ConfigError
from capture.keys import Keys, check_exposure, create_keys


def test_both_sides_know_each_other(tmp_path: Path) -> None:
    paths = create_keys(tmp_path / "keys")
    assert [path.name for path in paths] == [
        "controller.key",
        "controller.key_secret",
        "daemon.key",
        "daemon.key_secret",
    ]
    controller = Keys.load(tmp_path / "keys", "controller")
    daemon = Keys.load(tmp_path / "keys", "daemon")
    assert controller.peer == daemon.public
    assert daemon.peer == controller.public
    assert controller.secret != daemon.secret
    for path in paths:
        if path.suffix == ".key_secret":
            assert path.stat().st_mode & 0o077 == 0


def test_keys_are_never_overwritten(tmp_path: Path) -> None:
    create_keys(tmp_path)
    with pytest.raises(ConfigError, match="exists already"):
        create_keys(tmp_path)


@pytest.mark.parametrize("content", [None, "", "hello"])
def test_what_is_no_key_is_refused(content: str | None, tmp_path: Path) -> None:
    create_keys(tmp_path)
    path = tmp_path / "daemon.key_secret"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="key"):
        Keys.load(tmp_path, "daemon")


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:5570", "tcp://localhost:5570", "tcp://[::1]:5570"]
)
def test_loopback_needs_no_keys(address: str) -> None:
    check_exposure(address, None)


@pytest.mark.parametrize(
    "address",
    [
        "tcp://10.0.0.7:5570",
        "tcp://0.0.0.0:5570",
        "tcp://*:5570",
        "tcp://cam.lab:5570",
        "tcp://[::]:5570",
        "tcp://[fe80::1%eth0]:5570",
        "tcp://[::ffff:10.0.0.7]:5570",
        "tcp://127.1:5570",
        "tcp://localhost.evil.net:5570",
    ],
)
def test_beyond_loopback_keys_are_required(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="mavfer-capture keys"):
        check_exposure(address, None)
    create_keys(tmp_path)
    check_exposure(address, Keys.load(tmp_path, "daemon"))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:5570",
        "ipc:///tmp/x",
        "tcp://",
        "tcp://[::1",
        "tcp://::1:5570",
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:0;10.0.0.7:5570",  # ZeroMQ's source and destination
        "tcp://user@127.0.0.1:5570",
        "tcp://127.0.0.1:5570/x",
        "tcp://127.0.0.1:5570\n",
        "tcp://eth0;127.0.0.1:5570",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="not tcp"):
        check_exposure(address, None)


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o777])
def test_a_secret_that_others_can_read_is_refused(mode: int, tmp_path: Path) -> None:
    create_keys(tmp_path)
    (tmp_path / "daemon.key_secret").chmod(mode)
    with pytest.raises(ConfigError, match=f"mode {mode:o}, expected 600.*chmod 600"):
        Keys.load(tmp_path, "daemon")
    Keys.load(tmp_path, "controller")  # its own secret is private


def test_each_side_needs_only_its_own_secret(tmp_path: Path) -> None:
    create_keys(tmp_path)
    (tmp_path / "controller.key_secret").unlink()
    Keys.load(tmp_path, "daemon")
    with pytest.raises(ConfigError):
        Keys.load(tmp_path, "controller")
