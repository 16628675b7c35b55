"""What a linear control reads from simulated people who hide what they feel, modality by modality.

The people, sessions and confounders are those of the preset ``mavfer-sim-small``; a clip is the
mean of two rendered moments, 1.25 s apart, cut at the true landmarks with an error like a
detector's; three clips a session. A kernel
ridge regression learns valence from the training people and is scored on the unseen ones.
"""

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from annotation.agreement import ccc
from capture.simulation.confounders import Confounders
from capture.simulation.identity import identity_from_seed
from capture.simulation.rig import kinect2_rig
from capture.simulation.scene import SubjectScene
from mavfer.sim_presets import LIGHTS, PRESETS, Person
from mavfer.virtual_sessions import VirtualSession

from .figure import emit

_PX = 24
_SCALE = {"color": 0.30, "infrared": 0.6, "thermal": 0.45}
_CLIPS = ((2, 7), (12, 17), (23, 28))
_POINTS = (36, 39, 42, 45, 30, 33)  # eye corners, nose: none that an expression moves
_PLACES = ((0.2, 0.33), (0.4, 0.33), (0.6, 0.33), (0.8, 0.33), (0.5, 0.56), (0.5, 0.62))
_DRAWING = ("tone", "gain_range", "rest_sd")
_MODALITIES = ("color", "depth", "thermal")
_SETS = (*((m,) for m in _MODALITIES), ("color", "depth"), ("color", "thermal"), _MODALITIES)
Array = NDArray[np.float64]


def main() -> None:
    """Print the CCC of each set of modalities, in all lights and in each."""
    preset = PRESETS["mavfer-sim-small"]
    people = {who.name: who for who in preset.people()}
    work: dict[str, list[VirtualSession]] = {}
    for session in preset.sessions():
        work.setdefault(session.subject, []).append(session)
    context = get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        clips = [clip for some in pool.map(_clips, work.values()) for clip in some]
    splits = np.array([_split(people[clip["subject"]]) for clip in clips])
    lights = np.array([clip["light"] for clip in clips])
    valence = np.array([clip["valence"] for clip in clips])
    for modalities in _SETS:
        said = _ridge([np.stack([c[m] for c in clips]) for m in modalities], valence, splits)
        test = splits == "test"
        name = "_".join(modalities)
        emit("confounders", f"ccc_{name}", float(ccc(said[test], valence[test])), unit="CCC")
        for light in LIGHTS:
            here = test & (lights == light)
            score = float(ccc(said[here], valence[here]))
            emit("confounders", f"ccc_{name}_{light}", score, unit="CCC")


def _split(who: Person) -> str:
    return who.split


def _clips(sessions: list[VirtualSession]) -> list[dict[str, Any]]:
    cv2.setNumThreads(1)
    rig = kinect2_rig(scale=_SCALE)
    clips = []
    for session in sessions:
        drawn = {k: v for k, v in session.identity.items() if k in _DRAWING}
        others = {k: v for k, v in session.identity.items() if k not in _DRAWING}
        scene = SubjectScene(
            rig,
            subject_seed=session.subject_seed,
            identity=replace(identity_from_seed(session.subject_seed, **drawn), **others),
            light=session.lights[0][1],
            trace_seed=session.trace_seed,
            rate_hz=session.rate_hz,
            speech=session.speech,
            confounders=Confounders(**(session.confounders or {})),
        )
        rng = np.random.default_rng(session.trace_seed)
        for moments in _CLIPS:
            jitter = (*rng.normal(0, 0.25, 2).tolist(), rng.normal(0, 1), rng.normal(1, 0.015))
            crops = [_crops(scene.moment(index), jitter) for index in moments]
            clip: dict[str, Any] = {m: np.mean([c[m] for c in crops], axis=0) for m in _MODALITIES}
            clip["valence"] = float(np.mean([c["valence"] for c in crops]))
            clips.append({**clip, "subject": session.subject, "light": session.lights[0][1]})
    return clips


def _crops(moment: Any, jitter: tuple[float, ...]) -> dict[str, Any]:
    points, images = moment.truth.landmarks_px, moment.images
    color = _crop(images["color"].astype(np.float32), points["color"], jitter)
    color = (color - color.mean((0, 1))) / (color.std((0, 1)) + 2)
    face_mm = 1000 * float(np.median(moment.truth.landmarks_m[:, 2]))
    nearer = np.clip(face_mm - images["depth"].astype(np.float32), -40, 40)
    known = (images["depth"] > 0).astype(np.float32)
    share = np.maximum(_crop(known, points["infrared"], jitter), 0.2)
    depth = _crop(nearer * known, points["infrared"], jitter) / share
    kelvin = _crop(images["thermal"].astype(np.float32) * 0.04, points["thermal"], jitter)
    return {
        "color": color,
        "depth": (depth - np.median(depth)) / 20,
        "thermal": np.clip(kelvin - np.median(kelvin), -6, 4) / 1.5,
        "valence": moment.truth.valence,
    }


def _crop(image: Any, points: Any, jitter: tuple[float, ...]) -> Any:
    places = (np.array(_PLACES) * _PX - 0.5).astype(np.float32)
    found, _ = cv2.estimateAffinePartial2D(
        points[list(_POINTS)].astype(np.float32), places, method=cv2.LMEDS
    )
    turn = cv2.getRotationMatrix2D(((_PX - 1) / 2, (_PX - 1) / 2), jitter[2], jitter[3])
    turn[:, 2] += jitter[:2]
    matrix = turn[:, :2] @ found + np.column_stack([np.zeros((2, 2)), turn[:, 2]])
    size = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if size < 1:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / size)
    return cv2.warpAffine(image, matrix, (_PX, _PX), flags=cv2.INTER_LINEAR)


def _ridge(crops: list[Any], valence: Array, splits: Any) -> Array:
    """Predict all clips from the training ones and their mirror images; validation picks lambda."""
    train, validation = splits == "train", splits == "validation"
    n = int(train.sum())
    kernel = np.zeros((len(valence), 2 * n))
    inner = np.zeros((2 * n, 2 * n))
    for images in crops:
        flat = images.reshape(len(images), -1)
        mirrored = images[train][:, :, ::-1].reshape(n, -1)
        known = np.vstack([flat[train], mirrored])
        mean, sd = known.mean(axis=0), known.std(axis=0) + 1e-3
        known, asked = (known - mean) / sd, (flat - mean) / sd
        weight = (known**2).sum(axis=1).mean()  # every modality counts alike
        kernel += asked @ known.T / weight
        inner += known @ known.T / weight
    target = np.tile(valence[train], 2)
    values, vectors = np.linalg.eigh(inner)
    turned = vectors.T @ (target - target.mean())
    tried = [
        kernel @ (vectors @ (turned / (values + penalty))) + target.mean()
        for penalty in 10.0 ** np.arange(-2.5, 3, 0.5)
    ]
    scores = [float(ccc(said[validation], valence[validation])) for said in tried]
    return np.asarray(tried[int(np.nanargmax(scores))], np.float64)


if __name__ == "__main__":
    main()
