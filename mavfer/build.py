"""Building a clip store: every source to a part, then all parts to one file."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from capture.errors import RecordingError
from capture.files import OutputExistsError
from capture.session import read_manifest
from capture.terminal import OnProgress

from .errors import DatasetError
from .part import BuildPlan, PartReport, SourceFile, build_part
from .part_pool import BuildProgress, build_in_processes
from .splits import assign_splits
from .store_assembly import assemble_store

_NAMES_SHOWN = 3


class SourcesFailedError(DatasetError):
    """Some sources could not be built.

    Attributes
    ----------
    reports : tuple of PartReport
        Of all sources, good and bad.
    """

    def __init__(self, reports: Sequence[PartReport]) -> None:
        failed = [report for report in reports if report.error]
        names = "".join(f"\n  {report.path}: {report.error}" for report in failed)
        super().__init__(
            f"{len(failed)} of {len(reports)} sources failed, no store was written:{names}\n",
            remedy="mend or leave them out, or store the others with --skip-bad",
        )
        self.reports = tuple(reports)


def build_store(
    path: Path,
    sources: Sequence[SourceFile],
    plan: BuildPlan,
    *,
    workers: int = 1,
    skip_bad: bool = False,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> list[PartReport]:
    """Build the store at `path` from all `sources`.

    Parameters
    ----------
    workers : int
        Processes; 1 works in this one.
    skip_bad : bool
        Store what worked although some sources failed.
    on_progress : callable, optional
        Called with frames done and frames expected (faces and crops count as half each).

    Returns
    -------
    list of PartReport
        In the order of `sources`.

    Raises
    ------
    SourcesFailedError
        A source failed and `skip_bad` is false, or all did.
    DatasetError
        Too few subjects for the splits, or two sources of one id.
    OutputExistsError
        `path` exists and `overwrite` is false; checked before any work.
    """
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{path} exists already", remedy="choose another output or pass --overwrite"
        )
    if not sources:
        raise DatasetError("nothing to build from", remedy="name sessions, or files with --video")
    _check_sources(sources, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    report_progress = BuildProgress(len(sources), on_progress)
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.", suffix=".parts") as folder:
        parts = [Path(folder) / f"{index:05d}.h5" for index in range(len(sources))]
        if workers == 1:
            reports = [
                build_part(index, source, part, plan, report_progress.set)
                for index, (source, part) in enumerate(zip(sources, parts, strict=True))
            ]
        else:
            reports = build_in_processes(sources, parts, plan, workers, report_progress)
        good = [i for i, report in enumerate(reports) if report.error is None]
        if not good or (len(good) < len(reports) and not skip_bad):
            raise SourcesFailedError(reports)
        assemble_store(
            path,
            [parts[i] for i in good],
            layout=plan.layout,
            splits=assign_splits({reports[i].subject for i in good}, plan.split),
            provenance={**plan.provenance, "options": _options(plan)},
            overwrite=overwrite,
        )
    return reports


def _check_sources(sources: Sequence[SourceFile], plan: BuildPlan) -> None:
    """Refuse before hours of work what the end would refuse: equal ids, too few subjects."""
    ids = Counter(source.id for source in sources)
    if repeated := [video_id for video_id, n in ids.items() if n > 1]:
        raise DatasetError(
            f"two sources are called {', '.join(repeated)}",
            remedy="rename one: ids must be unique in a store",
        )
    gold = plan.labelling.gold
    if gold is not None and not ids.keys() & set(gold.sessions):
        raise DatasetError(
            f"the labels are about none of the sources, only about {_some(sorted(gold.sessions))}",
            remedy="name the labels of these sources: sessions are matched by folder name",
        )
    subjects = set()
    for source in sources:
        try:
            subjects.add(source.subject or read_manifest(source.path).subject)
        except RecordingError:
            return  # a session that cannot be read is reported as such, by name
    assign_splits(subjects, plan.split)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _options(plan: BuildPlan) -> dict[str, Any]:
    split = asdict(plan.split)
    return {
        "layout": asdict(plan.layout),
        "tolerance_ns": plan.tolerance_ns,
        "label_lag_s": plan.labelling.lag_ns / 1e9,
        "split": {k: sorted(v) if isinstance(v, frozenset) else v for k, v in split.items()},
    }
