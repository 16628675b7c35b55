"""What ``mavfer-annotate fuse``, ``agreement``, ``report``, ``export`` and ``import`` do."""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from capture import terminal
from capture.files import check_not_input, write_text_atomic

from .agreement_report import describe_agreement
from .agreement_text import agreement_document, agreement_lines, as_json
from .errors import AnnotationError
from .export import export_labels, export_ratings
from .fusion_options import FusionOptions
from .gold import Gold, count_values, make_gold
from .import_ratings import ImportOptions, import_ratings
from .info import describe_labels
from .labels import is_labels, load_labels, save_labels
from .raters_csv import save_traces
from .sources import Ratings, load_ratings


def _check_output(output: Path | None, sources: Sequence[Path]) -> None:
    """Refuse to write over what is read, into a project, or a folder around what is read."""
    check_not_input([output], sources)
    if output is None:
        return
    for source in sources:
        inside, around = output.resolve(), source.resolve()
        if source.is_dir() and inside.is_relative_to(around):
            raise AnnotationError(
                f"{output} lies inside {source}, which is read", remedy="choose another output"
            )
        if around.is_relative_to(inside):
            raise AnnotationError(
                f"{output} is a folder around {source}, which is read",
                remedy="choose another output",
            )


def _load(args: argparse.Namespace) -> Ratings:
    with terminal.progress("reading", enabled=not args.quiet) as on_progress:
        return load_ratings(
            args.sources,
            scale=args.scale,
            include_unsubmitted=args.unsubmitted,
            on_progress=on_progress,
        )


def _options(args: argparse.Namespace, ratings: Ratings) -> FusionOptions:
    rate_hz = args.rate_hz
    if rate_hz is None:
        rate_hz = 0.0 if ratings.all_from_projects else 30.0
    return FusionOptions(
        scale=args.scale,
        rate_hz=rate_hz or None,
        lag_s=args.lag_s,
        min_raters=args.min_raters,
        max_gap_s=args.max_gap_s,
        method=args.method,
        edges=args.edges,
    )


def fuse(args: argparse.Namespace) -> int:
    """Write gold labels."""
    _check_output(args.output, args.sources)
    ratings = _load(args)
    gold = make_gold(ratings, _options(args, ratings), align_max_s=args.align_raters)
    save_labels(args.output, gold.labels, overwrite=args.overwrite)
    counts = dict(count_values(gold.reports))
    summary = {
        "output": str(args.output),
        **describe_labels(args.output),
        "values": counts,
        "warnings": list(gold.warnings),
    }
    lines = [
        f"{args.output}: {len(gold.labels.sessions)} sessions, {summary['n_rows']} labels, "
        f"{summary['duration_s']:.1f} s",
        *_dimension_lines(summary["dimensions"]),
        f"  values of raters: {counts['n_rated']} as rated, {counts['n_interpolated']} "
        f"interpolated, {counts['n_held']} held, {counts['n_missing']} missing",
        *_lag_lines(gold),
        *(f"  note: {text}" for text in gold.warnings),
    ]
    terminal.print_result(args, summary, lines)
    return terminal.EXIT_OK


def _dimension_lines(dimensions: Mapping[str, Any]) -> list[str]:
    return [
        f"  {name:8s} mean {facts['mean']:+.2f}, {facts['min']:+.2f} to {facts['max']:+.2f}, "
        f"{facts['labelled_percent']:.0f} % labelled"
        if facts["mean"] is not None
        else f"  {name:8s} not rated"
        for name, facts in dimensions.items()
    ]


def _lag_lines(gold: Gold) -> list[str]:
    if gold.lags is None:
        return []
    lags = ", ".join(f"{name} {lag_s:+.2f} s" for name, lag_s in gold.lags.lag_s.items())
    return [f"  later than the others: {lags}"]


def agreement(args: argparse.Namespace) -> int:
    """Print, and perhaps write, how well raters agree."""
    _check_output(args.output, args.sources)
    ratings = _load(args)
    reports = describe_agreement(
        ratings.traces,
        rate_hz=args.compare_hz,
        max_gap_s=args.max_gap_s,
        teams=ratings.teams,
        n_resamples=_resamples(args),
    )
    document = agreement_document(ratings, reports, rate_hz=args.compare_hz)
    if args.output is not None:
        write_text_atomic(args.output, as_json(document), overwrite=args.overwrite)
    terminal.print_result(args, document, _with_output(agreement_lines(reports), args))
    return terminal.EXIT_OK


def _with_output(lines: Sequence[str], args: argparse.Namespace) -> list[str]:
    return [*lines, *([str(args.output)] if args.output is not None else [])]


def report(args: argparse.Namespace) -> int:
    """Write the page."""
    from .report import write_report  # matplotlib takes its time

    _check_output(args.output, args.sources)
    ratings = _load(args)
    gold = make_gold(ratings, _options(args, ratings), align_max_s=args.align_raters)
    with terminal.progress("report", enabled=not args.quiet) as on_progress:
        reports = write_report(
            args.output,
            ratings,
            gold,
            rate_hz=args.compare_hz,
            n_resamples=_resamples(args),
            title=args.title,
            commands=[shlex.join(["mavfer-annotate", *sys.argv[1:]])],
            overwrite=args.overwrite,
            on_progress=on_progress,
        )
    document = agreement_document(ratings, reports, rate_hz=args.compare_hz)
    result = {"output": str(args.output), **document}
    terminal.print_result(args, result, _with_output(agreement_lines(reports), args))
    return terminal.EXIT_OK


def _resamples(args: argparse.Namespace) -> int:
    if not 0 <= args.resamples <= 100_000:
        raise AnnotationError(f"--resamples {args.resamples}: expected 0 to 100000")
    return int(args.resamples)


def export(args: argparse.Namespace) -> int:
    """Write ratings or labels for another tool."""
    _check_output(args.output, args.sources)
    if len(args.sources) == 1 and is_labels(args.sources[0]):
        n_files = export_labels(
            load_labels(args.sources[0]),
            args.output,
            args.format,
            rate_hz=args.frame_rate_hz,
            overwrite=args.overwrite,
        )
    else:
        n_files = export_ratings(
            _load(args),
            args.output,
            args.format,
            rate_hz=args.frame_rate_hz,
            max_gap_s=args.max_gap_s,
            overwrite=args.overwrite,
        )
    result = {"output": str(args.output), "format": args.format, "n_files": n_files}
    text = f"{args.output}: {n_files} files" if args.output.is_dir() else str(args.output)
    terminal.print_result(args, result, [text])
    return terminal.EXIT_OK


def import_files(args: argparse.Namespace) -> int:
    """Write ratings of another tool as rater CSV."""
    _check_output(args.output, args.paths)
    imported = import_ratings(
        args.paths,
        ImportOptions(
            args.kind,
            rater=args.rater,
            frame_rate_hz=args.frame_rate_hz,
            first_frame=args.first_frame,
            dimension=args.dimension,
            time_unit=args.time_unit,
            scale=args.scale,
            clip=args.clip,
        ),
    )
    save_traces(args.output, imported.traces, overwrite=args.overwrite)
    raters = sorted({trace.rater for trace in imported.traces})
    sessions = sorted({trace.session for trace in imported.traces})
    n_ratings = sum(len(trace) for trace in imported.traces)
    result = {
        "output": str(args.output),
        "n_files": imported.n_files,
        "raters": raters,
        "sessions": sessions,
        "n_ratings": n_ratings,
        "n_clipped": imported.n_clipped,
        "notes": list(imported.notes),
    }
    lines = [
        f"{args.output}: {len(raters)} raters, {len(sessions)} sessions, {n_ratings} ratings from "
        f"{imported.n_files} files"
    ]
    if imported.n_clipped:
        lines.append(f"  {imported.n_clipped} ratings were beyond the scale and taken for its end")
    lines += [f"  note: {note}" for note in imported.notes]
    terminal.print_result(args, result, lines)
    return terminal.EXIT_OK
