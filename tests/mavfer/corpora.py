"""Corpora in miniature, laid out, named and delimited as the published ones are."""

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Images = Sequence[NDArray[np.uint8]]


def write_video(path: Path, images: Images, *, rate_hz: int = 25) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate_hz)
        stream.height, stream.width = images[0].shape[:2]
        stream.bit_rate = 4_000_000
        stream.time_base = Fraction(1, rate_hz)
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode())


def arff(name: str, time_s: Sequence[float], value: Sequence[object]) -> str:
    """A gold standard file of AVEC 2016."""
    head = (
        "@relation gold_standard\n\n@attribute Instance_name string\n"
        "@attribute frameTime numeric\n@attribute GoldStandard numeric\n\n@data\n"
    )
    rows = zip(time_s, value, strict=True)
    return head + "".join(f"'{name}',{t:.2f},{v}\n" for t, v in rows)


def write_recola(
    root: Path, images: Images, names: Sequence[str], *, rated: Sequence[str] | None = None
) -> None:
    time_s = np.arange(2 * len(images)) * 0.04
    for name in names:
        write_video(root / "recordings_video" / f"{name}.mp4", images)
    for name in names if rated is None else rated:
        if name.startswith("test_"):
            continue
        for dimension, slope in (("arousal", 0.5), ("valence", -1.0)):
            gold = root / "ratings_gold_standard" / dimension
            gold.mkdir(parents=True, exist_ok=True)
            text = arff(name, time_s.tolist(), (slope * time_s).tolist())
            (gold / f"{name}.arff").write_text(text)
            single = root / "ratings_individual" / dimension
            single.mkdir(parents=True, exist_ok=True)
            lines = ["time;FM1 ;FM2 ;FM3 ;FF1 ;FF2 ;FF3"]
            lines += [";".join([f"{t:.2f}", *(f"{k / 10}" for k in range(6))]) for t in time_s]
            (single / f"{name}.csv").write_text("\n".join(lines) + "\n")


def write_sewa(root: Path, images: Images, names: Sequence[str]) -> None:
    for name in names:
        write_video(root / "video" / f"{name}.avi", images, rate_hz=50)
        if name.startswith("Test"):
            continue
        (root / "labels").mkdir(exist_ok=True)
        rows = [
            f"'{name}';{k / 10:.1f};{0.1 * k:.4f};{'nan' if k == 2 else -0.05 * k};0.3"
            for k in range(8)
        ]
        (root / "labels" / f"{name}.csv").write_text("\n".join(rows) + "\n")


def write_frames(folder: Path, images: Images, *, first: int = 0, suffix: str = ".png") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, start=first):
        cv2.imwrite(str(folder / f"{number:05d}{suffix}"), image)


def write_afew(root: Path, images: Images) -> None:
    for split, category, name in (
        ("Train_AFEW", "Angry", "000046280"),
        ("Train_AFEW", "Happy", "000123520"),
        ("Val_AFEW", "Neutral", "000149120"),
    ):
        write_video(root / split / category / f"{name}.avi", images)
    write_frames(root / "Val_AFEW" / "Sad" / "000200000", images, first=1, suffix=".jpg")
    write_video(root / "Test_AFEW" / "Test_vid_Distributed" / "000300000.avi", images)


def write_afew_va_clip(
    folder: Path,
    images: Images,
    landmarks_px: NDArray[np.float64] | None,
    *,
    extra: Mapping[str, object],
    skip: Sequence[int] = (),
) -> None:
    """One clip; landmarks (N, 68, 2); frames in `skip` have ratings of 0 and no landmarks."""
    write_frames(folder, images)
    frames = {}
    for i in range(len(images)):
        frames[f"{i:05d}"] = {"valence": float(i), "arousal": -float(i)}
        if landmarks_px is not None and i not in skip:
            frames[f"{i:05d}"]["landmarks"] = landmarks_px[i].tolist()  # type: ignore[assignment]
    document = {"video_id": folder.name, "frames": frames, **extra}
    (folder / f"{folder.name}.json").write_text(json.dumps(document))
