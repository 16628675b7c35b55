"""What would fail at the end of a build, found before any work."""

from collections import Counter
from collections.abc import Sequence

from capture.errors import RecordingError
from capture.manifest import read_manifest

from .errors import DatasetError
from .part import BuildPlan, SourceFile, require_session_options
from .splits import assign_splits

_NAMES_SHOWN = 3


def check_sources(sources: Sequence[SourceFile], plan: BuildPlan) -> None:
    """Refuse what holds for all sources together, or for every one.

    Raises
    ------
    DatasetError
        No source, equal ids, labels about none of them, too few subjects, or sessions without a
        calibration or a rate.
    """
    if not sources:
        raise DatasetError("nothing to build from", remedy="name sessions, or files with --video")
    ids = Counter(source.id for source in sources)
    if repeated := [video_id for video_id, n in ids.items() if n > 1]:
        raise DatasetError(
            f"two sources are called {', '.join(repeated)}",
            remedy="rename one: ids must be unique in a store",
        )
    gold = plan.labelling.gold
    if gold is not None and gold.sessions and not ids.keys() & set(gold.sessions):
        raise DatasetError(
            f"the labels are about none of the sources, only about {_some(sorted(gold.sessions))}",
            remedy="name the labels of these sources: sessions are matched by folder name",
        )
    if not all(source.is_video for source in sources):
        require_session_options(plan)
    subjects = set()
    for source in sources:
        try:
            subjects.add(source.subject or read_manifest(source.path).subject)
        except RecordingError:
            return  # a session that cannot be read is reported as such, by name
    assign_splits(subjects, plan.split)


def unlabelled(sources: Sequence[SourceFile], plan: BuildPlan) -> dict[int, str]:
    """Return the numbers of the sources that need labels and have none, and what to say of them."""
    gold = plan.labelling.gold
    if gold is None or plan.labelling.partial:
        return {}
    told = f"the labels are about {_some(sorted(gold.sessions))}"
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
            f"no labels for {_some(missing)}; the labels are about "
            f"{_some(sorted(plan.labelling.gold.sessions))}",
            remedy="label these too, leave them out, or store the others with --skip-bad",
        )


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMES_SHOWN
    return ", ".join(names[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
