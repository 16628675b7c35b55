"""Stores that somebody made or bent by hand: every command says so in one line, or goes on."""

import contextlib
import json
import multiprocessing
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from mavfer.cli import main
from mavfer.errors import DatasetError
from mavfer.store import open_store
from mavfer.store_check import check_store

from .stores import small_store

NUMBERS = np.arange(3)
GROUP = "videos/v1"
EXTRA = f"{GROUP}/extra"


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return small_store(tmp_path)


def _attr(place: str, name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file[place].attrs.__setitem__(name, value)


def _put(name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file.__setitem__(name, value)


def _row(name: str, value: object) -> Callable[[h5py.File], None]:
    return lambda file: file[GROUP][name].__setitem__(0, value)


def _lose_hash(file: h5py.File) -> None:
    del file[GROUP].attrs["content_sha256"]


def _hold_itself(file: h5py.File) -> None:
    file[f"{GROUP}/loop"] = file[GROUP]


def _stats(**changes: object) -> Callable[[h5py.File], None]:
    def tamper(file: h5py.File) -> None:
        stats = json.loads(file.attrs["stats"])
        stats["color"] |= changes
        file.attrs["stats"] = json.dumps(stats)

    return tamper


def _trace(times: object, values: object) -> Callable[[h5py.File], None]:
    def tamper(file: h5py.File) -> None:
        file[f"{GROUP}/raters/x/valence/time_ns"] = times
        file[f"{GROUP}/raters/x/valence/value"] = values

    return tamper


def _keep_elsewhere(file: h5py.File) -> None:
    outside = Path(file.filename).with_name("outside")
    outside.write_bytes(bytes(37))
    del file[f"{GROUP}/reason"]
    file[GROUP].create_dataset("reason", (37,), "u1", external=[(str(outside), 0, 37)])


def _make_virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((37,), dtype="u1")
    layout[:] = h5py.VirtualSource(file.filename, f"{GROUP}/face_source", shape=(37,))
    del file[f"{GROUP}/reason"]
    file[GROUP].create_virtual_dataset("reason", layout)


REFUSED = {
    "format an array": (_attr("/", "format", NUMBERS), "not a clip store"),
    "version an array": (_attr("/", "schema_version", NUMBERS), "schema_version is"),
    "crops infinite": (_attr("/", "crop_px", np.inf), "crop_px is inf, expected a finite number"),
    "crops of a part": (_attr("/", "crop_px", 8.5), "crop_px is 8.5, expected a whole number"),
    "rate infinite": (_attr("/", "rate_hz", np.inf), "rate_hz is inf"),
    "lag infinite": (_attr(GROUP, "label_lag_ns", np.inf), "label_lag_ns is inf"),
    "subject a number": (_attr(GROUP, "subject", 3), "subject is .*, expected a text"),
    "subject no UTF-8": (_attr(GROUP, "subject", np.bytes_(b"\xff")), "expected a text"),
    "deep JSON": (_attr("/", "stats", "[" * 20_000), "stats is .*, expected JSON"),
    "deep table": (_attr("/", "provenance", '{"a":' * 100 + "1" + "}" * 100), "64 levels"),
    "statistics not numbers": (_stats(mean=[float("nan")] * 3), "expected finite numbers"),
    "statistics infinite": (_attr("/", "stats", '{"color": {"std": 1e999}}'), "finite numbers"),
    "modalities numbers": (_attr("/", "modalities", "[1, 2]"), "expected a list of names"),
    "itself": (_hold_itself, "/videos/v1/loop is there under another name too"),
    "a link": (_put(EXTRA, h5py.SoftLink("/videos/v2")), "extra is a link to somewhere else"),
    "a link outside": (_put("videos/x", h5py.ExternalLink("store.h5", "/videos/v1")), "a link"),
    "rows outside": (_keep_elsewhere, "reason is kept in another file"),
    "rows of others": (_make_virtual, "reason is kept in another file"),
}
FOUND = {
    "no hash": (_lose_hash, "attribute content_sha256 is missing"),
    "hash an array": (_attr(GROUP, "content_sha256", NUMBERS), "content_sha256 is"),
    "a single number": (_put(EXTRA, 3.0), "extra is no array"),
    "nothing": (_put(EXTRA, h5py.Empty("f")), "extra is no array"),
    "gold no group": (_put(f"{GROUP}/gold", 3), "gold is no array"),
    "raters no group": (_put(f"{GROUP}/raters", NUMBERS), "raters is no group"),
    "statistics a text": (_stats(mean="x"), "color statistics"),
    "sums a text": (_attr(GROUP, "sums", '{"color": ["x", [1], [1]]}'), "sums behind"),
    "sums too large": (_attr(GROUP, "sums", json.dumps({"color": [1, [10**400] * 3] * 2})), "sums"),
    "times not whole": (_trace(np.array([0.0, np.nan]), np.zeros(2)), "time_ns is .* float64"),
    "words as ratings": (_trace(NUMBERS, [b"a", b"b", b"c"]), "value is .*, expected"),
    "times a number": (_trace(3, 3.0), "time_ns is no array"),
    "unknown reason": (_row("reason", 99), "unknown reason"),
    "unknown source": (_row("face_source", 99), "unknown face_source"),
}
COMMANDS = (
    ("info",),
    ("check",),
    ("stats",),
    ("browse", "-o", "page", "--quiet"),
    ("export", "store", "-o", "part.h5", "--purpose", "train"),
    ("export", "webdataset", "-o", "shards", "--purpose", "train", "--quiet"),
    ("export", "croissant", "-o", "metadata", "--purpose", "train", "--quiet"),
)


@pytest.mark.parametrize("case", REFUSED)
def test_such_stores_are_not_opened(store_path: Path, case: str) -> None:
    tamper, message = REFUSED[case]
    with h5py.File(store_path, "r+") as file:
        tamper(file)
    with pytest.raises(DatasetError, match=message):
        open_store(store_path)


@pytest.mark.parametrize("case", FOUND)
def test_a_check_finds_it(store_path: Path, case: str) -> None:
    tamper, message = FOUND[case]
    with h5py.File(store_path, "r+") as file:
        tamper(file)
    found = [finding.what for finding in check_store(store_path) if finding.level == "error"]
    assert any(re.search(message, what) for what in found), found


@pytest.mark.parametrize("case", [*REFUSED, *FOUND])
def test_every_command_ends_with_one_line_at_most(
    store_path: Path,
    case: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(store_path.parent)
    tamper, _ = (REFUSED | FOUND)[case]
    with h5py.File(store_path, "r+") as file:
        tamper(file)
    for command in COMMANDS:
        status = main([*command, "store.h5"])
        error = capsys.readouterr().err
        assert (status, error.count("\n")) in {(0, 0), (1, 1)} or command == ("check",), error
        assert status == 1 or case not in REFUSED


def test_a_file_of_the_machine_is_not_read_as_rows(store_path: Path) -> None:
    secret = store_path.with_name("secret")
    secret.write_text("a password of thirty-seven characters")
    with h5py.File(store_path, "r+") as file:
        file[GROUP].create_group("raters/x/valence").create_dataset(
            "time_ns", (4,), np.int64, external=[(str(secret), 0, 32)]
        )
        file[f"{GROUP}/raters/x/valence/value"] = np.zeros(4)
    with open_store(store_path) as store, pytest.raises(DatasetError, match="another file"):
        store.traces("v1")
    assert any("another file" in finding.what for finding in check_store(store_path))


def _read_as_nobody(path: Path) -> None:
    if os.geteuid() == 0:  # who may read everything
        os.setgroups([])
        os.setgid(65_534)
        os.setuid(65_534)
    with (path.parent / "told").open("w") as told, contextlib.redirect_stderr(told):
        status = main(["stats", str(path)])
    os._exit(status)


def test_a_file_without_permission_is_called_so() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        path = small_store(Path(folder))
        path.chmod(0)
        process = multiprocessing.get_context("fork").Process(target=_read_as_nobody, args=(path,))
        process.start()
        process.join()
        assert process.exitcode == 1
        error = (path.parent / "told").read_text()
    assert "ermission denied" in error
    assert "build it again" not in error
