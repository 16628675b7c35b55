"""Sessions in a project: raters see the session's stream, at the session's times."""

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from annotation.errors import AnnotationError
from annotation.project.add_video import add_video
from annotation.project.folder import Project
from annotation.project.source import open_source
from capture.frame import Modality
from capture.manifest import MANIFEST_NAME, Consent, read_manifest
from capture.session import SessionFolder, open_session
from capture.simulation.rig import kinect2_rig
from capture.simulation.scene import SubjectScene
from capture.simulation.virtual_session import write_virtual_session

N_MOMENTS = 6


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rig = kinect2_rig(scale={"color": 0.1, "infrared": 0.15, "thermal": 0.15})
    scene = SubjectScene(rig, subject_seed=2, rate_hz=10.0)
    root = tmp_path_factory.mktemp("sessions")
    return write_virtual_session(root, scene, subject="S02", rate_hz=10.0, n_frames=N_MOMENTS)


@pytest.mark.parametrize("view", ["color", "depth", "infrared", "thermal"])
def test_every_stream_can_be_shown(view: Modality, session: Path, project: Project) -> None:
    video = add_video(project, session, view=view)
    recorded = open_session(session)
    stream = recorded.streams[view]
    assert video.name == recorded.id
    assert video.start_ns == stream.capture_time_ns[0] - recorded.start_time_ns
    span_ns = int(stream.capture_time_ns[-1] - stream.capture_time_ns[0])
    assert abs(video.time_ns[-1] - video.start_ns - span_ns) <= 0.5e9 / video.rate_hz
    manifest = json.loads((project.videos / f"{video.name}.json").read_text())
    assert manifest["source"]["origin"] == recorded.manifest.uuid
    assert manifest["source"]["view"] == view
    shown = np.array(manifest["source_time_ns"])[manifest["source_frame"]]
    assert np.max(np.abs(shown - video.time_ns)) <= 0.5e9 / float(video.rate_hz) + 1e6
    with av.open(str(project.videos / video.file)) as container:
        images = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert len(images) == video.n_frames
    assert all(image.std() > 5 for image in images)
    if view == "color":
        recorded_image = stream.read(0).image[: video.height_px, : video.width_px]
        assert np.mean(np.abs(images[0].astype(float) - recorded_image)) < 6


def test_sessions_that_may_not_be_shown_are_refused(session: Path, tmp_path: Path) -> None:
    copy = tmp_path / session.name
    copy.mkdir()
    for path in session.iterdir():
        if path.name != MANIFEST_NAME:
            (copy / path.name).symlink_to(path)
    manifest = read_manifest(session)
    for changes, complaint in (
        ({"kind": "board"}, "board session"),
        ({"consent": Consent(until="2020-01-01")}, "consent of subject S02 has ended"),
        ({"consent": Consent(record=False)}, "consent of subject S02"),
    ):
        SessionFolder(copy, replace(manifest, **changes)).update()
        with pytest.raises(AnnotationError, match=complaint):
            open_source(copy, view="color")
    (copy / "a65.mcap").unlink()
    SessionFolder(copy, manifest).update()
    with pytest.raises(AnnotationError, match="has no thermal stream"):
        open_source(copy, view="thermal")
