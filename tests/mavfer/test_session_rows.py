"""What a row says of the frames it was made of: gaps, residuals, freezes, fallbacks, refusals."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from calibration.rig import load_rig_calibration, save_rig_calibration
from capture.frame import DeviceEvent, Frame
from capture.recording import open_recording
from capture.simulation.rig import SimulatedRig
from mavfer.build_cli import main
from mavfer.store import ClipStore, open_store
from mavfer.store_schema import REASONS

RecordAnew = Callable[..., Path]
STEP_NS = 250_000_000
MS = 1_000_000


@pytest.fixture
def build(laboratory, tmp_path, capsys) -> Callable[..., tuple[int, dict, str]]:
    def run(session: Path, *options: object) -> tuple[int, dict, str]:
        status = main(
            [
                *(str(session), "--calibration", str(laboratory.calibration), "--split", "none"),
                *("-o", str(tmp_path / "s.h5"), "--workers", "1", "--json", "--quiet"),
                *map(str, options),
            ]
        )
        captured = capsys.readouterr()
        return status, json.loads(captured.out) if captured.out else {}, captured.err

    return run


def only_video(tmp_path: Path) -> tuple[ClipStore, str]:
    store = open_store(tmp_path / "s.h5")
    (name,) = store.videos
    return store, name


def reasons(store: ClipStore, name: str) -> list[str]:
    return [REASONS[number] for number in store.reason(name)]


def test_a_gap_keeps_its_rows_and_says_so(recorded_anew: RecordAnew, build, tmp_path) -> None:
    def drop(frame: Frame) -> Frame | None:
        return None if frame.stream == "color" and 5 <= frame.seq < 8 else frame

    status, summary, _ = build(recorded_anew(drop))
    assert status == 0
    store, name = only_video(tmp_path)
    assert store.videos[name].n_frames == 18
    assert reasons(store, name)[5:8] == ["no frame"] * 3
    assert summary["videos"][name]["missing"] == {"no frame": 3}
    assert store.seq(name, "color").tolist() == [0, 1, 2, 3, 4, -1, -1, -1, *range(8, 18)]
    assert np.isnat(store.residual_ns(name, "color").view("timedelta64[ns]"))[5:8].all()
    np.testing.assert_allclose(np.diff(store.time_ns(name)), STEP_NS, atol=2 * MS)
    assert not store.read(name, 5, 3, "color").any()
    assert not any(valid[5:8].any() for valid in store.valid(name).values())


def test_residuals_are_the_times_between_frames(recorded_anew: RecordAnew, build, tmp_path) -> None:
    """Thermal comes 20 ms late, depth is late by 100 ms once: too far to show the same moment."""

    def delay(frame: Frame) -> Frame:
        late_ns = {"thermal": 20 * MS, "depth": 100 * MS if frame.seq == 4 else 0}
        by_ns = late_ns.get(frame.stream, 0)
        return replace(
            frame,
            device_time_ns=frame.device_time_ns + by_ns,
            host_time_ns=frame.host_time_ns + by_ns,
        )

    status, _, _ = build(recorded_anew(delay))
    assert status == 0
    store, name = only_video(tmp_path)
    np.testing.assert_allclose(store.residual_ns(name, "thermal"), 20 * MS, atol=MS)
    depth = store.residual_ns(name, "depth").view("timedelta64[ns]")
    assert np.isnat(depth).tolist() == [row == 4 for row in range(18)]
    assert store.valid(name)["depth"].tolist() == [row != 4 for row in range(18)]
    assert store.seq(name, "depth")[4] == -1
    # Without depth the thermal crop lies on a plane at the face's distance, and says so.
    assert store.flags(name)["thermal_by_plane"].tolist() == [row == 4 for row in range(18)]
    assert np.isnan(store.face_depth_mm(name)).tolist() == [row == 4 for row in range(18)]
    assert store.valid(name)["thermal"][4]


def test_the_plane_shows_almost_the_same_skin(recorded_anew: RecordAnew, build, tmp_path) -> None:
    status, _, _ = build(recorded_anew())
    assert status == 0
    store, name = only_video(tmp_path)
    by_depth = store.read(name, 0, 18, "thermal")[:, 30:75, 25:70].astype(float)
    (tmp_path / "s.h5").unlink()
    status, summary, _ = build(recorded_anew(without="depth"), "--modalities", "color,thermal")
    assert status == 0
    store, name = only_video(tmp_path)
    assert summary["videos"][name]["flags"]["thermal_by_plane"] == 18
    by_plane = store.read(name, 0, 18, "thermal")[:, 30:75, 25:70].astype(float)
    assert store.valid(name)["thermal"].all()
    both = (by_depth > 0) & (by_plane > 0)
    assert both.mean() > 0.9
    assert np.median(np.abs(by_depth - by_plane)[both]) * 0.04 < 0.4  # kelvin


def test_frozen_thermal_frames_are_flagged_by_content_and_by_event(
    recorded_anew: RecordAnew, build, tmp_path
) -> None:
    seen: dict[int, Frame] = {}

    def freeze(frame: Frame) -> Frame:
        if frame.stream != "thermal":
            return frame
        seen[frame.seq] = frame
        return replace(frame, image=seen[3].image) if 4 <= frame.seq <= 6 else frame

    (a65,) = [r for r in sorted(recorded_anew().glob("*.mcap")) if "a65" in r.name]
    device_ns = open_recording(a65).streams["thermal"].device_time_ns
    data = {"phase": "end", "first_seq": 10, "last_seq": 11, "n_images": 2}
    nuc = DeviceEvent("thermal", "nuc", int(device_ns[11]), int(device_ns[11]), data)
    status, summary, _ = build(recorded_anew(freeze, events=[nuc]))
    assert status == 0
    store, name = only_video(tmp_path)
    frozen = [row in (4, 5, 6, 10, 11) for row in range(18)]
    assert store.flags(name)["thermal_frozen"].tolist() == frozen
    assert store.valid(name)["thermal"].tolist() == [not f for f in frozen]
    assert store.valid(name)["face"].all()
    assert store.read(name, 4, 1, "thermal").any()  # stored as it came
    assert summary["videos"][name]["flags"]["thermal_frozen"] == 5


def blank(rows: range) -> Callable[[Frame], Frame]:
    """No camera sees a face in these frames."""

    def edit(frame: Frame) -> Frame:
        hidden = frame.stream in ("color", "infrared") and frame.seq in rows
        return replace(frame, image=np.full_like(frame.image, 90)) if hidden else frame

    return edit


def test_gaps_are_filled_only_where_asked_and_marked(
    recorded_anew: RecordAnew, build, tmp_path
) -> None:
    session = recorded_anew(blank(range(6, 8)))
    status, summary, _ = build(session)
    assert status == 0
    store, name = only_video(tmp_path)
    assert reasons(store, name)[6:8] == ["no face"] * 2
    assert not store.valid(name)["face"][6:8].any()
    assert not store.read(name, 6, 2, "depth").any()
    assert np.isnan(store.T_crop_color(name)[6:8]).all()
    (tmp_path / "s.h5").unlink()
    status, summary, _ = build(session, "--fill-gaps", 1)
    assert status == 0
    assert summary["videos"][name]["interpolated"] == 2
    store, name = only_video(tmp_path)
    assert store.face_source(name)[5:9].tolist() == [1, 3, 3, 1]
    assert store.valid(name)["face"].all()
    assert reasons(store, name)[6:8] == ["no face"] * 2
    assert np.isnan(store.confidence(name)[6:8]).all()
    assert store.read(name, 6, 2, "depth").any()
    middle = store.landmarks_px(name)[[5, 8]].mean(axis=0)
    np.testing.assert_allclose(store.landmarks_px(name)[6:8].mean(axis=0), middle, atol=0.5)
    (tmp_path / "s.h5").unlink()
    status, _, error = build(session, "--fill-gaps", 60)
    assert status == 1
    assert "expected 0 to 5" in error


def test_infrared_steps_in_where_light_blinds_color(
    recorded_anew: RecordAnew, build, tmp_path
) -> None:
    """A lamp in the lens: color is white for a while."""

    def glare(frame: Frame) -> Frame:
        blinded = frame.stream == "color" and 4 <= frame.seq < 9
        return replace(frame, image=np.full_like(frame.image, 255)) if blinded else frame

    status, summary, _ = build(recorded_anew(glare))
    assert status == 0
    store, name = only_video(tmp_path)
    assert store.face_source(name).tolist() == [2 if 4 <= row < 9 else 1 for row in range(18)]
    assert store.valid(name)["thermal"].all()
    assert summary["videos"][name]["face_from_infrared"] == 5
    jumps = np.diff(store.landmarks_px(name)[:, 27:48].mean(axis=1), axis=0)
    assert np.linalg.norm(jumps, axis=1).max() < 30


def test_a_damaged_image_is_a_flagged_row(laboratory, build, tmp_path) -> None:
    """Bytes of one JPEG are changed: its chunk fails its checksum, the rest is read."""
    session = tmp_path / laboratory.sessions[0].name
    shutil.copytree(laboratory.sessions[0], session)
    file = session / "kinect2.mcap"
    data = bytearray(file.read_bytes())
    images = [i for i in range(len(data) - 3) if data[i : i + 4] == b"\xff\xd8\xff\xe0"]
    data[images[-1] : images[-1] + 2] = b"\x00\x00"
    file.write_bytes(data)
    status, summary, _ = build(session)
    assert status == 0
    store, name = only_video(tmp_path)
    assert reasons(store, name)[-1] == "unreadable"
    assert summary["videos"][name]["missing"]["unreadable"] == reasons(store, name).count(
        "unreadable"
    )
    assert reasons(store, name)[0] == ""


@pytest.mark.parametrize("missing", ["depth", "thermal", "color"])
def test_a_missing_stream_is_named(recorded_anew: RecordAnew, build, missing: str) -> None:
    status, summary, error = build(recorded_anew(without=missing))
    assert status == 1
    assert f"has no stream {missing}" in error
    assert "--modalities" in error
    assert summary["store"] is None


def test_without_infrared_color_has_to_do(recorded_anew: RecordAnew, build) -> None:
    status, summary, _ = build(recorded_anew(without="infrared"))
    assert status == 0
    assert summary["face_percent"] == 100


def test_a_calibration_of_another_size_or_device_is_refused(
    laboratory, recorded_anew: RecordAnew, tmp_path, capsys
) -> None:
    rig = load_rig_calibration(laboratory.calibration)
    session = recorded_anew()
    thermal = rig.cameras["thermal"]
    larger = replace(thermal, width_px=640, height_px=512)
    save_rig_calibration(
        tmp_path / "size.yaml", replace(rig, cameras={**rig.cameras, "thermal": larger})
    )
    devices = {"color": "000111222333", "depth": "000111222333"}
    save_rig_calibration(tmp_path / "device.yaml", replace(rig, provenance={"devices": devices}))
    for calibration, message in (
        ("size.yaml", "the calibration is for 640x512"),
        ("device.yaml", "the calibration is of 000111222333"),
    ):
        arguments = [str(session), "--calibration", str(tmp_path / calibration), "--quiet"]
        assert main([*arguments, "-o", str(tmp_path / "x.h5"), "--split", "none"]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "x.h5").exists()


def test_labels_longer_and_shorter_than_the_recording(
    laboratory, recorded_anew: RecordAnew, build, tmp_path
) -> None:
    session = recorded_anew()
    name = session.name
    rows = "".join(f"{name},{t},{t / 100},0.25,3\n" for t in np.arange(0, 60, 0.5))
    labels = tmp_path / "long.csv"
    labels.write_text(f"session,time_s,valence,arousal,n_raters\n{rows}")
    status, _, _ = build(session, "--labels", labels)
    assert status == 0
    store, name = only_video(tmp_path)
    expected = store.time_ns(name) / 1e9 / 100
    np.testing.assert_allclose(store.labels(name, "valence"), expected, atol=1e-5)
    (tmp_path / "s.h5").unlink()
    short = tmp_path / "short.csv"
    rows = "".join(f"{name},{t},{t / 100},0.25,3\n" for t in (0.0, 1.0, 2.0))
    short.write_text(f"session,time_s,valence,arousal,n_raters\n{rows}")
    status, summary, _ = build(session, "--labels", short)
    assert status == 0
    store, name = only_video(tmp_path)
    known = np.isfinite(store.labels(name, "valence"))
    assert known.tolist() == (store.time_ns(name) <= 2.0e9 + MS).tolist()
    assert summary["videos"][name]["labelled_frames"] == int(known.sum())


def test_empty_and_cut_off_recordings(recorded_anew: RecordAnew, build, tmp_path) -> None:
    session = recorded_anew()
    whole = (session / "a65.mcap").read_bytes()
    (session / "a65.mcap").write_bytes(b"")
    status, summary, error = build(session)
    assert status == 1
    assert "a65.mcap" in error
    (session / "a65.mcap").write_bytes(whole[: len(whole) // 2])
    status, summary, _ = build(session)
    assert status == 0
    store, name = only_video(tmp_path)
    thermal = store.valid(name)["thermal"]
    assert 0 < thermal.sum() < 18
    assert store.valid(name)["face"].all()
    assert "a65.mcap breaks off" in summary["videos"][name]["damage"][0]


def test_modalities_agree_on_where_the_landmarks_are(
    laboratory, build, tmp_path, small_rig: SimulatedRig
) -> None:
    """One pixel at the median and two at 95 %, with detected faces, noise and all lights."""
    errors_px = []
    for session in laboratory.sessions:
        status, _, _ = build(session)
        assert status == 0
        store, name = only_video(tmp_path)
        depth = store.read(name, 0, 18, "depth").astype(float)
        scene = laboratory.scenes[name]
        for row in range(0, 18, 4):
            truth = scene.moment(row).truth
            T = np.asarray(store.T_crop_color(name)[row], float)
            errors_px.append(agreement_px(truth.landmarks_px, T, depth[row], small_rig))
        (tmp_path / "s.h5").unlink()
    errors = np.concatenate(errors_px)
    assert np.isfinite(errors).mean() > 0.95
    assert np.nanmedian(errors) <= 1.0
    assert np.nanpercentile(errors, 95) <= 2.0


def agreement_px(
    landmarks_px: dict[str, np.ndarray], T: np.ndarray, depth_mm: np.ndarray, rig: SimulatedRig
) -> np.ndarray:
    """How far apart inner landmarks are in the color and in the depth and thermal crops.

    A landmark's place in the depth crop is where the crop's surface projects to the landmark's
    true pixel of the infrared camera; to first order the miss there, scaled to the crop.
    """
    color, inner = rig.color, slice(17, 68)
    ideal = color.without_distortion()
    rays = color.unproject(landmarks_px["color"][inner])
    in_image = rays * [color.fx_px, color.fy_px] + [color.cx_px, color.cy_px]
    in_crop = in_image @ T[:, :2].T + T[:, 2]
    at = np.rint(in_crop).astype(int)
    inside = ((at >= 0) & (at < depth_mm.shape[0])).all(axis=1)
    z_m = np.full(len(at), np.nan)
    z_m[inside] = depth_mm[at[inside, 1], at[inside, 0]] / 1000
    z_m[z_m == 0] = np.nan
    points_m = np.column_stack([ideal.unproject(in_image) * z_m[:, None], z_m])
    in_infrared = rig.T_color_infrared.inverse()
    errors = []
    for name, camera in (("infrared", rig.infrared), ("thermal", rig.thermal)):
        transform = rig.T_camera_infrared(name) @ in_infrared
        seen = camera.project(transform.apply(points_m))
        crop_px_per_px = np.hypot(T[0, 0], T[1, 0]) * color.fx_px / camera.fx_px
        errors.append(np.linalg.norm(seen - landmarks_px[name][inner], axis=1) * crop_px_per_px)
    return np.concatenate(errors)


def test_no_depth_value_is_of_the_background(laboratory, build, tmp_path) -> None:
    """Depth in the middle of the crop is the face's: holes stay holes, nothing is filled in."""
    status, _, _ = build(laboratory.sessions[0])
    assert status == 0
    with h5py.File(tmp_path / "s.h5") as file:
        group = next(iter(file["videos"].values()))
        depth, face = group["depth"][:], group["face_depth_mm"][:]
    relative = np.where(depth > 0, depth - face[:, None, None], np.nan)[:, 35:70, 30:65]
    assert np.nanpercentile(np.abs(relative), 99) < 80
