"""Predicting on a film of a face: nothing but a file and a run that sees color only."""

from pathlib import Path
from tempfile import TemporaryDirectory

from capture.terminal import OnProgress
from mavfer.build import SourcesFailedError, build_store
from mavfer.part import BuildPlan, SourceFile
from mavfer.splits import SplitPlan
from mavfer.store import open_store
from mavfer.store_writer import StoreLayout

from .checkpoint import CheckpointInfo
from .clip_rate import GRID_HZ
from .config import ModelConfig
from .errors import ModelError, NoClipsError
from .evaluate import evaluate
from .evaluation import Evaluation
from .prediction import Network

_SMALLEST_CROP_PX = 96


def check_color_only(config: ModelConfig) -> None:
    """Refuse a network that needs what a color camera does not see."""
    if config.modalities != ("color",):
        raise ModelError(
            f"this {config.architecture} needs {', '.join(config.modalities)}: a film has color",
            remedy="use a run of --modalities color",
        )


def evaluate_film(
    network: Network,
    info: CheckpointInfo,
    film: Path,
    *,
    batch_size: int = 8,
    on_faces: OnProgress | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Find and align the face in a film, as when a store is built, and predict every frame.

    Frames are taken at the rate of the clips that the network learned from.

    Raises
    ------
    ModelError
        The network needs more than color, the file is no video or damaged, or too few frames
        show a face.
    """
    check_color_only(info.model)
    native = info.model.rate == "native" and info.rate_hz is None
    layout = StoreLayout(
        modalities=("color",),
        crop_px=max(_SMALLEST_CROP_PX, info.model.input_px),
        clip_length=info.model.clip_length,
        rate_hz=0.0 if native else (info.rate_hz or GRID_HZ),
    )
    plan = BuildPlan(layout=layout, split=SplitPlan(fractions=(1.0, 0.0, 0.0)))
    with TemporaryDirectory(prefix="mavfer-film-") as folder:
        path = Path(folder) / "film.h5"
        source = SourceFile(film, subject=film.stem, is_video=True)
        # Who has one film knows nothing of stores: both errors are told in words of the film.
        try:
            (report,) = build_store(path, [source], plan, on_progress=on_faces).parts
        except SourcesFailedError as error:
            raise ModelError(
                str(error.reports[0].error), remedy="name a video file that plays"
            ) from error
        with open_store(path) as store:
            try:
                return evaluate(
                    network,
                    info,
                    store,
                    split=None,
                    batch_size=batch_size,
                    on_progress=on_progress,
                )
            except NoClipsError as error:
                raise ModelError(
                    f"{film}: a face is in {report.n_faces} of {report.n_frames} frames, expected "
                    f"one in most of {info.model.clip_length} frames in a row",
                    remedy="name a longer film, or one whose face is seen from the front",
                ) from error
