"""``mavfer simulate``: virtual sessions, datasets of them, and their raters."""

import argparse
from pathlib import Path
from typing import TypeAlias

from capture import terminal

_RAW = argparse.RawDescriptionHelpFormatter
_PRESETS = (
    "mavfer-sim",
    "mavfer-sim-small",
    "mavfer-sim-tiny",
)  # as in sim_presets, which imports numpy
# argparse has no public name for what add_subparsers() returns
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


def add(commands: _Commands) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "simulate",
        help="make virtual sessions and simulated raters",
        description="The simulated laboratory: what it writes has the formats of the real one. "
        "With --preset a whole dataset, from sessions to clip store (docs/benchmark.md); "
        "run again to go on after an interruption.",
        epilog="example:\n  mavfer simulate --preset mavfer-sim-small -o sim-small\n",
        formatter_class=_RAW,
    )
    _add_preset_options(parser)
    kinds = parser.add_subparsers(dest="kind", metavar="KIND")
    _add_subjects(kinds)
    _add_people(kinds)
    _add_board(kinds)
    _add_raters(kinds)


def _add_preset_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", choices=_PRESETS, help="the dataset to simulate")
    parser.add_argument("-o", "--output", type=Path, help="folder of the dataset")
    parser.add_argument("--workers", type=int, help="processes (default: one per processor)")
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_simulate_preset, usage_error=parser.error)


def _add_people(kinds: _Commands) -> None:
    parser = kinds.add_parser(
        "people",
        help="the sessions of a simulated dataset, without the rest",
        description="Write the sessions of a preset. Run again to go on after an interruption.",
        epilog="example:\n  mavfer simulate people --preset mavfer-sim-small -o sessions\n",
        formatter_class=_RAW,
    )
    parser.add_argument("--preset", choices=_PRESETS, required=True, help="the dataset")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the sessions")
    parser.add_argument("--workers", type=int, help="processes (default: one per processor)")
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_simulate_people)


def _add_subjects(kinds: _Commands) -> None:
    parser = kinds.add_parser(
        "subjects",
        help="sessions of virtual subjects, as fast as they render",
        description="Write one short session per subject and clip: virtual clock, reduced "
        "cameras, light cycled over the clips. Run again to go on after an interruption.",
        epilog="example:\n  mavfer simulate subjects -o virtual --subjects 18 --clips 12\n",
        formatter_class=_RAW,
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the sessions")
    parser.add_argument(
        "--subjects", type=int, default=18, help="number of people (default: %(default)d)"
    )
    parser.add_argument(
        "--clips", type=int, default=12, help="sessions per person (default: %(default)d)"
    )
    parser.add_argument(
        "--frames", type=int, default=16, help="frames per session (default: %(default)d)"
    )
    parser.add_argument(
        "--rate-hz", type=float, default=4.0, help="frames a second (default: %(default)g)"
    )
    parser.add_argument(
        "--workers", type=int, help="processes (default: one per processor, at most 8)"
    )
    _add_rig_options(parser)
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_simulate_subjects)


def _add_board(kinds: _Commands) -> None:
    parser = kinds.add_parser(
        "board",
        help="a checkerboard session for mavfer-calibrate",
        description="Write one session of the 5x7 checkerboard, held still in one pose after the "
        "other: half of them before all cameras, half out at the edges of color and infrared.",
        epilog="example:\n  mavfer simulate board -o virtual-board --views 30\n",
        formatter_class=_RAW,
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the session")
    parser.add_argument(
        "--views", type=int, default=30, help="poses of the board (default: %(default)d)"
    )
    _add_rig_options(parser)
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_simulate_board)


def _add_raters(kinds: _Commands) -> None:
    parser = kinds.add_parser(
        "raters",
        help="simulated raters for simulated sessions",
        description="Rate sessions whose truth is known: with reaction time, bias and noise, in "
        "steps of 1 from -10 to 10.",
        epilog="example:\n  mavfer simulate raters virtual/* -o raters.csv --raters 3\n",
        formatter_class=_RAW,
    )
    parser.add_argument(
        "sessions",
        type=Path,
        nargs="+",
        metavar="SESSION",
        help="session folders, or folders of sessions",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="rater CSV to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument("--raters", type=int, default=3, help="how many (default: %(default)d)")
    parser.add_argument(
        "--lag-s", type=float, default=0.4, help="mean reaction time (default: %(default)g)"
    )
    parser.add_argument(
        "--noise",
        type=float,
        default=1.0,
        help="wandering error, standard deviation in points of the scale (default: %(default)g)",
    )
    parser.add_argument(
        "--missing",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="share of the time in which a rater says nothing (default: %(default)g)",
    )
    parser.add_argument(
        "--frozen",
        type=int,
        default=0,
        metavar="N",
        help="raters, the last ones, whose slider stands still in the second half of every "
        "session (default: %(default)s)",
    )
    parser.add_argument(
        "--rate-hz", type=float, default=10.0, help="ratings a second (default: %(default)g)"
    )
    parser.add_argument("--seed", type=int, default=0, help="who the raters are")
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_simulate_raters)


def _add_rig_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scale",
        type=float,
        help="size of every camera relative to the real one "
        "(default: color 0.45, infrared and depth 0.6, thermal 0.45)",
    )
    parser.add_argument("--seed", type=int, default=0, help="everything random follows from it")


def _simulate_preset(args: argparse.Namespace) -> int:
    from ..errors import DatasetError
    from ..sim_pipeline import simulate_preset
    from ..sim_presets import preset_named

    if args.preset is None or args.output is None:
        args.usage_error("give --preset and -o, or one of: subjects, people, board, raters")
    if args.workers is not None and args.workers < 1:  # told now, not after the calibration
        raise DatasetError(f"{args.workers} workers asked for, expected 1 or more")
    quiet = args.quiet or args.json
    stages = simulate_preset(
        preset_named(args.preset),
        args.output,
        n_workers=args.workers,
        say=(lambda line: None) if quiet else print,
    )
    build = stages["build"].result
    seconds_s = {key: round(stage.seconds_s, 1) for key, stage in stages.items()}
    result = {"preset": args.preset, "seconds_s": seconds_s, **build}
    terminal.print_result(
        args,
        result,
        [
            f"{args.output}: {args.preset}, {build['folder_bytes'] / 1e9:.2g} GB, "
            f"made in {sum(seconds_s.values()) / 60:.0f} minutes"
        ],
    )
    return terminal.EXIT_OK


def _simulate_people(args: argparse.Namespace) -> int:
    from ..sim_presets import preset_named
    from ..virtual_sessions import write_sessions

    preset = preset_named(args.preset)
    sessions = tuple(preset.sessions())
    with terminal.progress(f"{preset.name} sessions", enabled=not args.quiet) as on_progress:
        written = write_sessions(
            args.output, sessions, preset.plan(), n_workers=args.workers, on_progress=on_progress
        )
    result = {
        "output": str(args.output),
        "n_sessions": len(sessions),
        "n_new": written.n_new,
        "frames": sum(session.n_frames for session in sessions),
    }
    terminal.print_result(
        args,
        result,
        [
            f"{args.output}: {len(sessions)} sessions of {preset.name}, {result['frames']} "
            f"moments ({written.n_new} sessions new)"
        ],
    )
    return terminal.EXIT_OK


def _simulate_subjects(args: argparse.Namespace) -> int:
    from ..virtual_subjects import SubjectsPlan, write_subjects

    plan = SubjectsPlan(
        n_subjects=args.subjects,
        n_clips=args.clips,
        n_frames=args.frames,
        rate_hz=args.rate_hz,
        scale=args.scale,
        seed=args.seed,
    )
    with terminal.progress("virtual subjects", enabled=not args.quiet) as on_progress:
        written = write_subjects(args.output, plan, n_workers=args.workers, on_progress=on_progress)
    result = {
        "output": str(args.output),
        "sessions": [str(path) for path in written.sessions],
        "n_new": written.n_new,
        "subjects": args.subjects,
        "frames": args.frames * len(written.sessions),
    }
    terminal.print_result(
        args,
        result,
        [
            f"{args.output}: {len(written.sessions)} sessions of {args.subjects} virtual "
            f"subjects, {result['frames']} moments ({written.n_new} sessions new)"
        ],
    )
    return terminal.EXIT_OK


def _simulate_board(args: argparse.Namespace) -> int:
    from ..simulate import write_board

    with terminal.progress("virtual board", enabled=not args.quiet) as on_progress:
        path = write_board(
            args.output,
            n_views=args.views,
            scale=args.scale,
            seed=args.seed,
            on_progress=on_progress,
        )
    terminal.print_result(args, {"session": str(path), "views": args.views}, [str(path)])
    return terminal.EXIT_OK


def _simulate_raters(args: argparse.Namespace) -> int:
    from annotation.raters_csv import save_traces
    from capture.session_folders import session_folders

    from ..simulate import rate_sessions

    with terminal.progress("simulated raters", enabled=not args.quiet) as on_progress:
        traces = rate_sessions(
            session_folders(args.sessions),
            n_raters=args.raters,
            seed=args.seed,
            lag_s=args.lag_s,
            noise=args.noise,
            rate_hz=args.rate_hz,
            missing_share=args.missing,
            n_frozen=args.frozen,
            on_progress=on_progress,
        )
    save_traces(args.output, traces, overwrite=args.overwrite)
    names = sorted({trace.session for trace in traces})
    result = {
        "output": str(args.output),
        "sessions": names,
        "raters": sorted({trace.rater for trace in traces}),
        "n_ratings": sum(len(trace) for trace in traces),
    }
    terminal.print_result(
        args,
        result,
        [
            f"{args.output}: {len(names)} sessions, {args.raters} simulated raters, "
            f"{result['n_ratings']} ratings"
        ],
    )
    return terminal.EXIT_OK
