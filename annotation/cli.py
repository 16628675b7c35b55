"""``mavfer-annotate``: from rater traces to gold labels, and how well the raters agree."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from capture import terminal

_EPILOG = """\
examples:
  mavfer-annotate agreement raters.csv
  mavfer-annotate fuse raters.csv -o labels.csv
  mavfer-annotate fuse team-a.csv team-b.csv -o labels.csv --lag-s 2

Ratings are long CSV files: session,rater,dimension,time_s,value (docs/formats/labels.md).
"""


def build_parser() -> argparse.ArgumentParser:
    """Describe the command line; imports nothing heavy, so that --help answers at once."""
    parser = argparse.ArgumentParser(
        prog="mavfer-annotate",
        description="Turn the traces of several raters into gold labels, and report how well "
        "they agree.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_fuse(commands)
    _add_agreement(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``mavfer-annotate``; returns the exit status."""
    args = build_parser().parse_args(argv)
    return terminal.run_command(args.handler, args)


def _add_fuse(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "fuse",
        help="average raters into gold labels",
        description="Interpolate every trace in time, average the raters and scale to [-1, 1].",
        epilog="example:\n  mavfer-annotate fuse raters.csv -o labels.csv\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_inputs(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, help="gold label CSV to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    parser.add_argument(
        "--rate-hz", type=float, default=30.0, help="rate of the labels (default: %(default)g)"
    )
    parser.add_argument(
        "--lag-s",
        type=float,
        default=0.0,
        help="reaction time to take out: a rating at t + LAG is about t (default: %(default)g)",
    )
    parser.add_argument(
        "--min-raters",
        type=int,
        help="raters needed for a label (default: every rater of the session)",
    )
    parser.add_argument(
        "--max-gap-s",
        type=float,
        help="widest pause between two ratings that is interpolated (default: any)",
    )
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_fuse)


def _add_agreement(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "agreement",
        help="report how well raters agree",
        description="Pairwise RMSE, CC and CCC (population moments), Cronbach's alpha per team, "
        "share of positive ratings.",
        epilog="example:\n  mavfer-annotate agreement raters.csv --json\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_inputs(parser)
    parser.add_argument(
        "--rate-hz",
        type=float,
        default=10.0,
        help="moments a second at which raters are compared (default: %(default)g)",
    )
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_agreement)


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("raters", type=Path, nargs="+", metavar="RATERS.csv", help="rater files")
    parser.add_argument(
        "--scale",
        type=float,
        default=10.0,
        help="ratings run from -SCALE to SCALE (default: %(default)g)",
    )


def _fuse(args: argparse.Namespace) -> int:
    import hashlib
    from dataclasses import asdict
    from importlib.metadata import version

    from capture.files import check_not_input

    from .fusion import fuse
    from .fusion_options import FusionOptions
    from .info import describe_labels
    from .labels import Labels, save_labels
    from .raters_csv import load_traces

    options = FusionOptions(
        scale=args.scale,
        rate_hz=args.rate_hz,
        lag_s=args.lag_s,
        min_raters=args.min_raters,
        max_gap_s=args.max_gap_s,
    )
    check_not_input([args.output], args.raters)
    traces = load_traces(args.raters, scale=args.scale)
    provenance = {
        "software_version": version("mavfer"),
        "method": "mean over raters, linear interpolation in time",
        "options": asdict(options),
        "raters": sorted({trace.rater for trace in traces}),
        "sources": [
            {"name": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path in args.raters
        ],
    }
    labels = Labels(fuse(traces, options), provenance)
    save_labels(args.output, labels, overwrite=args.overwrite)
    summary = {"output": str(args.output), **describe_labels(args.output)}
    terminal.print_result(
        args,
        summary,
        [
            f"{args.output}: {len(labels.sessions)} sessions, {summary['n_rows']} labels, "
            f"{summary['duration_s']:.1f} s",
            *_dimension_lines(summary["dimensions"]),
        ],
    )
    return terminal.EXIT_OK


def _dimension_lines(dimensions: Mapping[str, Any]) -> list[str]:
    return [
        f"  {name:8s} mean {facts['mean']:+.2f}, {facts['min']:+.2f} to {facts['max']:+.2f}, "
        f"{facts['labelled_percent']:.0f} % labelled"
        if facts["mean"] is not None
        else f"  {name:8s} not rated"
        for name, facts in dimensions.items()
    ]


def _agreement(args: argparse.Namespace) -> int:
    import math
    from dataclasses import asdict

    from .agreement_report import describe_agreement
    from .raters_csv import load_traces

    reports = describe_agreement(load_traces(args.raters, scale=args.scale), rate_hz=args.rate_hz)

    def json_value(value: Any) -> Any:
        if isinstance(value, float) and math.isnan(value):
            return None
        if isinstance(value, Mapping):
            return {key: json_value(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [json_value(each) for each in value]
        return value

    lines = []
    for report in reports:
        lines += [
            f"{report.dimension}: {report.percent_positive:.1f} % positive "
            f"({report.percent_positive_zero_mean:.1f} % zero-mean)",
            f"  within sessions  RMSE {report.mean_rmse:.2f}  CC {report.mean_cc:.3f}  "
            f"CCC {report.mean_ccc:.3f}  ({report.n_pairs} pairs, "
            f"{report.n_undefined_cc} without a defined CC)",
            f"  across sessions  CC {report.pooled_cc:.3f}  CCC {report.pooled_ccc:.3f}",
            *(
                f"  team  {', '.join(team.raters)}: alpha {team.alpha:.3f}, zero-mean "
                f"{team.alpha_zero_mean:.3f} ({team.n_sessions} sessions, "
                f"{team.n_moments} moments)"
                for team in report.teams
            ),
        ]
    result = {
        "definition": "population moments; pair means weighted by moments",
        "rate_hz": args.rate_hz,
        "dimensions": {report.dimension: json_value(asdict(report)) for report in reports},
    }
    terminal.print_result(args, result, lines)
    return terminal.EXIT_OK
