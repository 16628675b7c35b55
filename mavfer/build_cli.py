"""``mavfer-build-dataset``: from sessions or video files to one clip store."""

import argparse
from collections.abc import Sequence

from capture import terminal

from .build_arguments import build_parser, default_workers
from .build_report import report_document, report_text


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mavfer-build-dataset``; returns the exit status."""
    return terminal.run_command(_build, build_parser().parse_args(argv))


def _build(args: argparse.Namespace) -> int:
    import time

    from capture.files import check_output

    from .build import SourcesFailedError, build_store
    from .build_options import check_outputs, plan_of, sources_of
    from .errors import DatasetError
    from .store_description import describe_store

    check_outputs(args)
    sources = sources_of(args)
    plan = plan_of(args, sources)
    if args.preview is not None:
        check_output(args.preview, overwrite=args.overwrite)
    if args.scheduler is not None and args.workers is not None:
        raise DatasetError("--scheduler brings its own workers", remedy="leave --workers out")
    workers = default_workers() if args.workers is None else args.workers
    if workers < 1:
        raise DatasetError(f"--workers {workers}: at least 1")
    started_s = time.monotonic()
    try:
        with terminal.progress("building", enabled=not args.quiet) as on_progress:
            built = build_store(
                args.output,
                sources,
                plan,
                workers=workers,
                scheduler=args.scheduler,
                skip_bad=args.skip_bad,
                overwrite=args.overwrite,
                on_progress=on_progress,
            )
    except SourcesFailedError as error:
        if args.json:
            terminal.print_result(args, {"store": None, **report_document(error.reports)}, [])
        raise
    elapsed_s = time.monotonic() - started_s
    if args.preview is not None:
        from .preview import write_contact_sheet

        write_contact_sheet(args.output, args.preview, overwrite=args.overwrite)
    summary = describe_store(args.output)
    result = {
        "store": str(args.output),
        "preview": None if args.preview is None else str(args.preview),
        **report_document(built.parts),
        "stage_cpu_s": {kind: round(s, 3) for kind, s in built.stage_cpu_s.items()},
        "reused_segments": built.n_reused,
        "elapsed_s": round(elapsed_s, 2),
        **{key: summary[key] for key in ("fingerprint", "modalities", "rate_hz", "splits")},
    }
    terminal.print_result(args, result, report_text(result))
    return terminal.EXIT_OK


if __name__ == "__main__":
    raise SystemExit(main())
