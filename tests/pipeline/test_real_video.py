"""Color-only video of real people, as users of public datasets have it: from file to training."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mavfer import ClipStore

CLIPS = ("d18", "d19", "s32")


def run(script: str, *arguments: object) -> dict:
    done = subprocess.run(
        [Path(sys.executable).with_name(script), *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labels")
    rows = ["session,rater,dimension,time_s,value"]
    for clip in CLIPS:
        for rater, bias in (("A", 0), ("B", 1)):
            for dimension in ("valence", "arousal"):
                rows += [
                    f"{clip},{rater},{dimension},{i / 10},{round(6 * math.sin(0.07 * i)) + bias}"
                    for i in range(120)
                ]
    raters = folder / "raters.csv"
    raters.write_text("\n".join(rows) + "\n")
    run("mavfer-annotate", "fuse", raters, "-o", folder / "labels.csv")
    return folder / "labels.csv"


@pytest.mark.slow
def test_real_clips_are_cropped_and_trained_on(labels, shared_data, tmp_path):
    videos = [shared_data / "face_clips" / f"{clip}.mp4" for clip in CLIPS]
    for video in videos:
        if not video.exists():
            pytest.skip(f"{video} is missing")
    store, trained = tmp_path / "store.h5", tmp_path / "run"
    built = run(
        "mavfer-build-dataset",
        *("--video", *videos),
        *("-o", store),
        *("--labels", labels),
        *("--rate-hz", "native"),
        "--quiet",
    )
    for clip in CLIPS:
        assert built["videos"][clip]["frames"] > 100
        assert built["videos"][clip]["face_percent"] >= 95
    with ClipStore(store) as clips:
        for clip in CLIPS:
            assert np.isfinite(clips.T_crop_color(clip)).all(axis=(1, 2)).mean() >= 0.95
    steps = run(
        "mavfer-train", store, "-o", trained, "--model", "uran", "--preset", "small", "--steps", 2
    )
    assert steps["steps"] == 2
    assert (trained / "checkpoint.safetensors").exists()
    assert run("mavfer", "info", trained)["kind"]
