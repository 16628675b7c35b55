"""What would fail at the end of a build, found before any work."""

import logging
from collections.abc import Sequence

import numpy as np

from annotation.strict_csv import has_control
from capture.errors import RecordingError
from capture.manifest import read_manifest

from .durations import duration_s
from .errors import DatasetError
from .labelling import Labelling
from .part import BuildPlan, SourceFile, require_session_options
from .splits import assign_splits, check_names, folded

logger = logging.getLogger(__name__)

_NAMES_SHOWN = 3
_MAX_NAME = 200
_SLACK_S = 1.0
"""Headers and manifests round."""


def check_sources(sources: Sequence[SourceFile], plan: BuildPlan) -> None:
    """Refuse what holds for all sources together, or for every one.

    Raises
    ------
    DatasetError
        No source, names that no store can keep or that differ in nothing but case, labels about
        no moment of any source, too few subjects, or sessions without a calibration or a rate.
    """
    if not sources:
        raise DatasetError("nothing to build from", remedy="name sessions, or files with --video")
    _check_ids(sources)
    _check_labels(sources, plan.labelling)
    if not all(source.is_video for source in sources):
        require_session_options(plan)
    subjects, all_known = known_subjects(sources)
    check_names(subjects)
    if all_known:
        assign_splits(subjects, plan.split)


def known_subjects(sources: Sequence[SourceFile]) -> tuple[set[str], bool]:
    """Return who is seen in the sources, and whether every source says it."""
    subjects, all_known = set(), True
    for source in sources:
        try:
            subjects.add(source.subject or read_manifest(source.path).subject)
        except RecordingError:
            all_known = False  # a session that cannot be read is reported as such, by name
    return subjects, all_known


def unlabelled(sources: Sequence[SourceFile], plan: BuildPlan) -> dict[int, str]:
    """Return the numbers of the sources that need labels and have none, and what to say of them."""
    gold = plan.labelling.gold
    if gold is None or plan.labelling.partial:
        return {}
    told = f"the labels are about {some(sorted(gold.sessions))}"
    return {
        number: f"no labels for {source.id}: {told}"
        for number, source in enumerate(sources)
        if source.id not in gold
    }


def require_labels(sources: Sequence[SourceFile], plan: BuildPlan) -> None:
    """Refuse sources that need labels and have none."""
    missing = [sources[number].id for number in unlabelled(sources, plan)]
    if missing and plan.labelling.gold is not None:
        raise DatasetError(
            f"no labels for {some(missing)}; the labels are about "
            f"{some(sorted(plan.labelling.gold.sessions))}",
            remedy="label these too, leave them out, or store the others with --skip-bad",
        )


def some(names: Sequence[str]) -> str:
    """Write out the first of many names, and how many more there are."""
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _check_ids(sources: Sequence[SourceFile]) -> None:
    """Refuse names that a store or a file system would confuse or could not keep."""
    seen: dict[str, str] = {}
    for source in sources:
        for what, name in (("source", source.id), ("subject", source.subject)):
            if name is not None and not _can_be_kept(name):
                raise DatasetError(
                    f"{source.path}: the {what}'s name is {name!r:.80}, expected printable "
                    f"letters without / and \\, at most {_MAX_NAME}",
                    remedy="rename it",
                )
        other = seen.setdefault(source.id.casefold(), source.id)
        if other != source.id:
            raise DatasetError(
                f"two sources are called {other} and {source.id}, which differ in nothing but case",
                remedy="rename one: many file systems ignore case",
            )
    if len(seen) < len(sources):
        ids = [source.id for source in sources]
        raise DatasetError(
            f"two sources are called {some(sorted({i for i in ids if ids.count(i) > 1}))}",
            remedy="rename one: ids must be unique in a store",
        )


def _can_be_kept(name: str) -> bool:
    if not folded(name).strip(".") or len(name) > _MAX_NAME:
        return False
    return not has_control(name) and not any(c in "/\\" or "\ud800" <= c <= "\udfff" for c in name)


def _check_labels(sources: Sequence[SourceFile], labelling: Labelling) -> None:
    """Refuse labels and ratings that are about no source, or about no moment of one."""
    ids = {source.id for source in sources}
    gold = set() if labelling.gold is None else set(labelling.gold.sessions)
    for what, about in (("labels", gold), ("ratings", set(labelling.raters))):
        if about and not about & ids:
            raise DatasetError(
                f"the {what} are about none of the sources, only about {some(sorted(about))}",
                remedy="name the labels of these sources: they are matched by the folder's name, "
                "or the film's without ending",
            )
    if labelling.lag_ns and not gold and not labelling.raters:
        raise DatasetError(
            f"a lag of {labelling.lag_ns / 1e9:g} s without labels to take it out of",
            remedy="leave --lag-s out, or name labels",
        )
    strangers = sorted((gold | set(labelling.raters)) - ids)
    if strangers and not labelling.partial:
        logger.warning("no source for the labels of %s", some(strangers))
    _check_label_times(sources, labelling)


def _check_label_times(sources: Sequence[SourceFile], labelling: Labelling) -> None:
    lag_s = labelling.lag_ns / 1e9
    missed: dict[str, str] = {}
    n_reached = 0
    for source in sources:
        span_s = _span_s(labelling, source.id)
        if span_s is None:
            continue
        end_s = duration_s(source)
        if span_s[1] >= lag_s and (end_s is None or span_s[0] - lag_s <= end_s + _SLACK_S):
            n_reached += 1
            continue
        ends = "" if end_s is None else f"ends at {end_s:.1f} s and "
        missed[source.id] = f"{ends}has labels from {span_s[0]:g} to {span_s[1]:g} s"
    if not missed:
        return
    lagged = f" with a lag of {lag_s:g} s" if lag_s else ""
    if n_reached:
        logger.warning("no label is about a moment of %s%s", some(sorted(missed)), lagged)
        return
    name, told = next(iter(missed.items()))
    raise DatasetError(
        f"no label is about a moment of its source{lagged}: {name} {told}",
        remedy="label times and lags are seconds, times count from the source's start",
    )


def _span_s(labelling: Labelling, source_id: str) -> tuple[float, float] | None:
    """First and last time of a label; None where there is none."""
    if labelling.gold is None or source_id not in labelling.gold:
        return None
    labels = labelling.gold.sessions[source_id]
    known_ns = labels.time_ns[np.isfinite(labels.valence) | np.isfinite(labels.arousal)]
    return (float(known_ns[0]) / 1e9, float(known_ns[-1]) / 1e9) if len(known_ns) else None
