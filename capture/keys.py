"""Keys for sockets beyond this machine: CURVE encryption, and only the known peer gets in."""

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

from .errors import ConfigError
from .files import all_or_none

Role = Literal["controller", "daemon"]
_ADDRESS = re.compile(r"tcp://(\[[0-9A-Za-z:.%]+\]|[0-9A-Za-z_.-]+|\*):(\d{1,5}|\*)")
"""Stricter than ZeroMQ, whose "source;destination" would hide where a connection goes."""
_PEER: dict[Role, Role] = {"controller": "daemon", "daemon": "controller"}


@dataclass(frozen=True, slots=True)
class Keys:
    """What one side needs: its own pair and the peer's public key (Z85)."""

    public: bytes
    secret: bytes
    peer: bytes

    @classmethod
    def load(cls, folder: Path, role: Role) -> Self:
        """Read the keys of `role` from a folder that `create_keys` made.

        Raises
        ------
        ConfigError
            A file is missing or is no key, or others on this machine can read the secret one.
        """
        path = folder / f"{role}.key_secret"
        public, secret = _read(path)
        _check_private(path)
        peer, _ = _read(folder / f"{_PEER[role]}.key")
        if secret is None:
            raise ConfigError(f"{folder}/{role}.key_secret holds no secret key")
        return cls(public, secret, peer)

    def secure_server(self, socket: "zmq.Socket[bytes]") -> None:
        """Encrypt a socket that binds."""
        socket.curve_server = True
        socket.curve_publickey, socket.curve_secretkey = self.public, self.secret

    def secure_client(self, socket: "zmq.Socket[bytes]") -> None:
        """Encrypt a socket that connects; only the known server can answer."""
        socket.curve_serverkey = self.peer
        socket.curve_publickey, socket.curve_secretkey = self.public, self.secret

    def start_gate(self, context: "zmq.Context[zmq.Socket[bytes]]") -> ThreadAuthenticator:
        """Start the thread that lets only the known peer into the servers of `context`."""
        gate = ThreadAuthenticator(context)
        gate.start()
        gate.configure_curve_callback(credentials_provider=_OnlyPeer(self.peer))
        return gate


def create_keys(folder: Path) -> list[Path]:
    """Make the pairs ``controller.key*`` and ``daemon.key*`` in `folder`.

    Returns
    -------
    list of Path
        The four files; the secret ones are readable by their owner only.

    Raises
    ------
    ConfigError
        One of them exists.
    """
    folder.mkdir(parents=True, exist_ok=True)
    roles: tuple[Role, ...] = ("controller", "daemon")
    paths = [folder / f"{role}.{kind}" for role in roles for kind in ("key", "key_secret")]
    for path in paths:
        if path.exists():
            raise ConfigError(f"{path} exists already", remedy="choose another folder")
    mask = os.umask(0o077)  # from its first byte a secret is its owner's only
    try:
        with all_or_none(paths):
            for role in roles:
                zmq.auth.create_certificates(folder, role)
    finally:
        os.umask(mask)
    return paths


def check_exposure(address: str, keys: Keys | None) -> None:
    """Refuse `address` if it reaches beyond this machine and there are no keys.

    Raises
    ------
    ConfigError
        Not ``tcp://host:port``, or reachable by others without keys.
    """
    parts = _ADDRESS.fullmatch(address)
    if parts is None:
        raise ConfigError(f"address {address!r} is not tcp://host:port")
    host = parts[1].strip("[]")
    if keys is None and not _is_loopback(host):
        raise ConfigError(
            f"{address} reaches beyond this machine and there are no keys",
            remedy="make some with `mavfer-capture keys -o DIR`, copy what it says to each machine "
            "and pass --keys DIR",
        )


def is_ipv6(address: str) -> bool:
    """Tell whether `address` names its host in brackets; sockets have to be told."""
    return address.startswith("tcp://[")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_private(path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    if os.name == "posix" and mode & 0o077:
        raise ConfigError(
            f"{path} can be read by others on this machine (mode {mode:o}, expected 600)",
            remedy=f"chmod 600 {path}; if that does not help, keep it on a disk with permissions",
        )


def _read(path: Path) -> tuple[bytes, bytes | None]:
    try:
        public, secret = zmq.auth.load_certificate(path)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} is no key: {error}", remedy="make keys with `mavfer-capture keys -o DIR`"
        ) from error
    if public is None:
        raise ConfigError(f"{path} holds no public key")
    return public, secret


class _OnlyPeer:
    """Credentials provider of zmq's authenticator."""

    def __init__(self, peer: bytes) -> None:
        self._peer = peer

    def callback(self, domain: str, key: bytes) -> bool:
        """Say whether the owner of `key` may connect."""
        del domain
        return key == self._peer
