"""``mavfer-annotate fuse``, ``agreement``, ``report``, ``export`` and ``import``: ratings."""

import argparse
from pathlib import Path
from typing import TypeAlias

from capture import terminal

_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001
_METHODS = ("mean", "ewe", "ewe-leave-one-out", "ewe-pairwise-cc", "ewe-pairwise-ccc", "ges")
_FORMATS = ("csv", "frames", "parquet", "afew-va", "recola", "muse")
_KINDS = ("afew-va", "ceap", "recola", "muse")
_SOURCES = "rater files (CSV, Parquet) and folders of annotation projects"


def add_ratings_commands(commands: _Commands) -> None:
    """Declare the subcommands; imports nothing heavy."""
    _add_import(commands)
    _add_agreement(commands)
    _add_fuse(commands)
    _add_report(commands)
    _add_export(commands)


def _parser(
    commands: _Commands, name: str, summary: str, description: str, examples: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_fuse(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "fuse",
        "turn raters into gold labels",
        "Interpolate every trace in time, average the raters and scale to [-1, 1].",
        "  mavfer-annotate fuse raters.csv -o labels.csv\n"
        "  mavfer-annotate fuse study -o labels.csv              # an annotation project\n"
        "  mavfer-annotate fuse raters.csv -o labels.csv --method ewe --align-raters 3\n",
    )
    _add_sources(parser)
    _add_output(parser, "gold label CSV to write")
    _add_fusion(parser)
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_fuse)


def _add_agreement(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "agreement",
        "report how well raters agree",
        "Pairwise RMSE, CC and CCC (population moments), Cronbach's alpha per team, intraclass "
        "correlations, Krippendorff's alpha, share of positive ratings; intervals over subjects.",
        "  mavfer-annotate agreement raters.csv\n"
        "  mavfer-annotate agreement study --unsubmitted\n"
        "  mavfer-annotate agreement raters.csv -o agreement.json\n",
    )
    _add_sources(parser)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="JSON", help="also write every number and definition"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")
    _add_comparison(parser)
    _add_max_gap(parser)
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_agreement)


def _add_report(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "report",
        "write a page on ratings and labels",
        "One HTML page: agreement beside the paper's Table III, distributions, every trace with "
        "the gold label, what looks odd.",
        "  mavfer-annotate report raters.csv -o report.html\n"
        "  mavfer-annotate report study -o report.html --method ewe\n",
    )
    _add_sources(parser)
    _add_output(parser, "HTML page to write")
    parser.add_argument("--title", default="Ratings", help="of the page (default: %(default)s)")
    _add_fusion(parser)
    _add_comparison(parser, "--compare-hz")
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_report)


def _add_export(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "export",
        "write ratings or gold labels for other tools",
        "csv: ratings as this toolkit reads them. frames: one row a frame, with where its value "
        "comes from. parquet: the same for pandas, polars, R. afew-va: RATER/SESSION.json. "
        "recola, muse: DIMENSION/SESSION.csv. Gold labels: parquet or afew-va.",
        "  mavfer-annotate export study --format frames -o ratings.csv\n"
        "  mavfer-annotate export raters.csv --format afew-va --frame-rate-hz 25 -o json\n"
        "  mavfer-annotate export labels.csv --format parquet -o labels.parquet\n",
    )
    _add_sources(parser, "SOURCE", f"{_SOURCES}; or one gold label CSV")
    _add_output(parser, "file or folder to write")
    parser.add_argument("--format", choices=_FORMATS, default="csv", help="default: %(default)s")
    parser.add_argument(
        "--frame-rate-hz",
        type=float,
        default=30.0,
        metavar="HZ",
        help="frames a second where no project knows them (default: %(default)g)",
    )
    _add_max_gap(parser)
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_export)


def _add_import(commands: _Commands) -> None:
    parser = _parser(
        commands,
        "import",
        "read ratings of other tools and sets",
        "Bring ratings to one CSV on a scale of -10 to 10. afew-va: JSON of AFEW-VA and its web "
        "annotator. ceap: CEAP-360VR's raw annotations. recola, muse: tables of one column a "
        "rater.",
        "  mavfer-annotate import ceap P*_Annotation_RawData.json -o raters.csv\n"
        "  mavfer-annotate import afew-va json/anna --rater anna --frame-rate-hz 25 -o anna.csv\n"
        "  mavfer-annotate import recola ratings_individual -o raters.csv\n",
    )
    parser.add_argument("kind", choices=_KINDS, help="what the files are")
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="files, or folders of them"
    )
    _add_output(parser, "rater CSV to write")
    parser.add_argument(
        "--scale",
        type=float,
        metavar="N",
        help="rating that becomes 10 (default: afew-va 10, ceap and recola 1, muse 1000)",
    )
    parser.add_argument(
        "--clip", action="store_true", help="take ratings beyond the scale for its end"
    )
    parser.add_argument("--rater", metavar="NAME", help="whose ratings AFEW-VA files are")
    parser.add_argument(
        "--frame-rate-hz", type=float, metavar="HZ", help="of the videos of AFEW-VA files"
    )
    parser.add_argument(
        "--first-frame",
        type=int,
        default=0,
        metavar="N",
        help="number of the frame at time 0 in AFEW-VA files (default: %(default)s)",
    )
    parser.add_argument(
        "--dimension",
        choices=("valence", "arousal"),
        help="of recola and muse tables (default: the name of their folder)",
    )
    parser.add_argument(
        "--time-unit",
        choices=("s", "ms"),
        default="s",
        help="of recola and muse tables (default: %(default)s)",
    )
    terminal.add_common_options(parser)
    parser.set_defaults(handler=_import)


def _add_sources(
    parser: argparse.ArgumentParser, metavar: str = "RATINGS", text: str = _SOURCES
) -> None:
    parser.add_argument("sources", type=Path, nargs="+", metavar=metavar, help=text)
    parser.add_argument(
        "--scale",
        type=float,
        default=10.0,
        help="ratings run from -SCALE to SCALE (default: %(default)g)",
    )
    parser.add_argument(
        "--unsubmitted", action="store_true", help="of projects, also ratings in progress"
    )


def _add_output(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True, help=text)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing output")


def _add_max_gap(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-gap-s",
        type=float,
        metavar="S",
        help="widest pause between two ratings that is interpolated (default: any)",
    )


def _add_fusion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        choices=_METHODS,
        default="mean",
        help="mean; ewe...: raters weighted by agreement with the mean of all, the mean of the "
        "others, or each other; ges: AVEC 2018's (default: %(default)s)",
    )
    parser.add_argument(
        "--rate-hz",
        type=_rate_hz,
        metavar="HZ",
        help="rate of the labels, or 'native': the rated moments themselves, as video frames "
        "(default: native for projects, else 30)",
    )
    parser.add_argument(
        "--lag-s",
        type=float,
        default=0.0,
        metavar="S",
        help="reaction time to take out: a rating at t + S is about t (default: %(default)g)",
    )
    parser.add_argument(
        "--align-raters",
        type=float,
        metavar="MAX_S",
        help="also take out by how much each rater is later than the others, up to MAX_S",
    )
    parser.add_argument(
        "--min-raters",
        type=int,
        metavar="N",
        help="raters needed for a label (default: every rater of the session)",
    )
    _add_max_gap(parser)
    parser.add_argument(
        "--edges",
        choices=("missing", "hold"),
        default="missing",
        help="before a rater's first and after the last rating: nothing, or that rating "
        "(default: %(default)s)",
    )


def _add_comparison(parser: argparse.ArgumentParser, rate_option: str = "--rate-hz") -> None:
    parser.add_argument(
        rate_option,
        dest="compare_hz",
        type=float,
        default=10.0,
        metavar="HZ",
        help="moments a second at which raters are compared (default: %(default)g)",
    )
    parser.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="of the subjects, for the intervals; 0 leaves them out (default: %(default)s)",
    )


def _rate_hz(text: str) -> float:
    """Parse a rate; native is 0."""
    if text == "native":
        return 0.0
    try:
        rate_hz = float(text)
    except ValueError:
        rate_hz = -1.0
    if not 0 < rate_hz <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 0 to 1000 Hz, or 'native'")
    return rate_hz


def _fuse(args: argparse.Namespace) -> int:
    from .ratings_commands import fuse

    return fuse(args)


def _agreement(args: argparse.Namespace) -> int:
    from .ratings_commands import agreement

    return agreement(args)


def _report(args: argparse.Namespace) -> int:
    from .ratings_commands import report

    return report(args)


def _export(args: argparse.Namespace) -> int:
    from .ratings_commands import export

    return export(args)


def _import(args: argparse.Namespace) -> int:
    from .ratings_commands import import_files

    return import_files(args)
