"""``mavfer-benchmark``: the tables and figures of the MRAN paper on a clip store."""

import argparse
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capture import terminal

from .experiments import EXPERIMENTS

if TYPE_CHECKING:
    from .benchmark import BenchmarkPlan
    from .benchmark_outcome import Outcome
    from .experiments import Experiment

_EPILOG = """\
examples:
  mavfer-benchmark table4 --store store.h5
  mavfer-benchmark table4 table6 --store store.h5 --seeds 5 --workers 2
  mavfer-benchmark table7 --store store.h5 --scale paper --pretrained vgg16=vgg16.safetensors
  mavfer-benchmark table7 --store store.h5 --without-pretrained
  mavfer-benchmark table4 --store store.h5 --scheduler tcp://10.0.0.1:8786
  mavfer-benchmark all --store store.h5 -o benchmark
  mavfer-benchmark table4 --store store.h5 --publish docs/results

Runs are kept under OUTPUT/runs by their content: what is there is not trained again, whichever
table asks for it, and an interrupted benchmark goes on with the same command. Tables are written
as Markdown, CSV and LaTeX beside the paper's figures, mean ± sd over seeds, differences paired.

scales:
  small        48x48 crops, a quarter of the width, clips of 8 frames, 1500 steps, for two cores
  recommended  the paper's size with what lets it learn; for a GPU
  paper        the paper's networks and hyper-parameters; for a GPU
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return terminal.run_command(_benchmark, _parser().parse_args(argv))


def _parser() -> argparse.ArgumentParser:
    named = "".join(f"  {each.name:<14}{each.title}\n" for each in EXPERIMENTS.values())
    parser = argparse.ArgumentParser(
        prog="mavfer-benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"{_EPILOG}\nexperiments:\n{named}",
    )
    parser.add_argument(
        "experiments",
        nargs="+",
        choices=(*EXPERIMENTS, "all"),
        metavar="EXPERIMENT",
        help="table3 to table10, fig7 to fig15, repairs, repairs-uran, evidence, or all",
    )
    parser.add_argument("--store", type=Path, required=True, help="clip store")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("benchmark"), help="folder (default: benchmark)"
    )
    parser.add_argument("--scale", choices=("small", "recommended", "paper"), default="small")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument(
        "--target", choices=("valence", "arousal"), default="valence", help="default: valence"
    )
    parser.add_argument("--steps", type=int, metavar="N", help="training steps of every run")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another field of every configuration (docs/how-to/train.md)",
    )
    parser.add_argument(
        "--pretrained",
        action="append",
        default=[],
        metavar="NETWORK=FILE",
        help="published weights of vgg16, resnet50, vgg_face, vgg_face_lstm or affwildnet",
    )
    parser.add_argument(
        "--rows",
        metavar="PATTERNS",
        help="only these rows, by label or architecture, with commas and no space between: "
        "'uran*,ridge, color' (default: all)",
    )
    parser.add_argument(
        "--without-pretrained",
        action="store_true",
        help="leave out the rows that start from published weights",
    )
    parser.add_argument(
        "--workers", type=int, default=1, metavar="N", help="runs at a time (default: 1)"
    )
    parser.add_argument(
        "--scheduler", metavar="ADDRESS", help="Dask scheduler whose workers do the runs"
    )
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="DIR",
        help="also write a page with figures, pictures and how they were made, as docs/results",
    )
    parser.add_argument(
        "--leaderboard",
        type=Path,
        metavar="FILE",
        help="also put the rows into this leaderboard, as docs/results/leaderboard.csv",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="only say which runs are there and which are not"
    )
    terminal.add_common_options(parser)
    return parser


def _benchmark(args: argparse.Namespace) -> int:
    from mavfer.store import open_store

    from .benchmark import BenchmarkPlan
    from .settings import assignments

    chosen = EXPERIMENTS if "all" in args.experiments else dict.fromkeys(args.experiments)
    with open_store(args.store) as store:
        plan = BenchmarkPlan(
            store=store,
            root=args.output,
            scale=args.scale,
            n_seeds=args.seeds,
            output=args.target,
            workers=args.workers,
            scheduler=args.scheduler,
            steps=args.steps,
            pretrained=_pretrained(args.pretrained),
            settings=assignments(args.set),
            rows=_patterns(args.rows),
            without_pretrained=args.without_pretrained,
            to_publish=args.publish is not None,
        )
        _check_weights_are_used(plan, [EXPERIMENTS[name] for name in chosen])
        report: dict[str, Any] = {}
        lines: list[str] = []
        skipped = 0
        for name in chosen:
            try:
                facts, text = _carry_out(EXPERIMENTS[name], plan, args)
            except Exception as error:
                if "all" not in args.experiments or not _is_unfit(error):
                    raise
                facts, text = {"skipped": str(error)}, [f"{name}: skipped: {error}"]
                skipped += 1
            report[name] = facts
            lines += [*text, ""]
    if skipped == len(report):
        terminal.print_result(args, report, lines)
        return terminal.EXIT_FAILED
    failed = any(facts.get("failed") for facts in report.values())
    terminal.print_result(args, report, lines[:-1])
    return terminal.EXIT_FAILED if failed else terminal.EXIT_OK


def _is_unfit(error: Exception) -> bool:
    from .errors import ModelError

    return isinstance(error, ModelError)


def _carry_out(
    experiment: "Experiment", plan: "BenchmarkPlan", args: argparse.Namespace
) -> tuple[dict[str, Any], list[str]]:
    from .benchmark import carry_out, plan_rows
    from .benchmark_figures import check_somebody_agrees
    from .benchmark_outcome import outcome_of_runs, outcome_without_runs
    from .publish import publish
    from .result_table import to_markdown

    outcome = None if args.dry_run else outcome_without_runs(experiment, plan)
    if outcome is None:
        if not experiment.rows:
            told = f"{experiment.name}: {experiment.title}, from the store alone"
            return {"runs": 0, "missing": 0}, [told]
        rows = plan_rows(experiment, plan)
        if args.dry_run:
            return _told_of_runs(experiment, rows, plan)
        check_somebody_agrees(experiment, plan)
        detail = ""

        def show(done: int, total: int, runs: str) -> None:
            nonlocal detail
            detail = runs
            on_progress(done, total)

        with terminal.progress(
            experiment.name, enabled=not args.quiet, detail=lambda: detail
        ) as on_progress:
            failures = carry_out(rows, plan, on_steps=show)
        outcome = outcome_of_runs(experiment, rows, plan, failures)
    facts, lines = outcome.to_object(), []
    if outcome.table is not None:
        lines += [to_markdown(outcome.table).rstrip(), ""]
    lines += [f"{kind}: {path}" for kind, path in outcome.paths.items()]
    if args.publish is not None:
        page = publish(outcome, plan, args.publish, command=_command(experiment.name, args))
        facts["page"] = str(page)
        lines.append(f"page: {page}")
    if args.leaderboard is not None:
        rows_added = _add_to_leaderboard(outcome, plan, args.leaderboard)
        facts["leaderboard"] = {"file": str(args.leaderboard), "rows": rows_added}
        lines.append(f"leaderboard: {rows_added} rows in {args.leaderboard}")
    return facts, lines


def _add_to_leaderboard(outcome: "Outcome", plan: "BenchmarkPlan", path: Path) -> int:
    from mavfer.sim_pipeline import dataset_of

    from .benchmark import file_stem
    from .benchmark_tables import read_runs
    from .errors import ModelError
    from .own_rows import add_rows, own_row

    if outcome.table is None or outcome.experiment.categorical:
        return 0
    dataset = dataset_of(plan.store.path)
    if dataset is None:
        raise ModelError(
            f"{plan.store.path} is no store of a simulated dataset, where it was made",
            remedy="mavfer simulate --preset makes one",
        )
    rows = [
        own_row(
            outcome.rows[number],
            runs,
            plan.store,
            output=plan.output,
            table=file_stem(outcome.experiment, plan),
            dataset=dataset,
        )
        for number, runs in read_runs(outcome.rows, plan, outcome.failures).items()
    ]
    add_rows(path, rows)
    return len(rows)


def _command(name: str, args: argparse.Namespace) -> str:
    """Return the command that makes the same figures, wherever store and output lie."""
    words = ["mavfer-benchmark", name, "--store", args.store.name]
    words += ["--scale", args.scale, "--seeds", str(args.seeds)]
    if args.target != "valence":
        words += ["--target", args.target]
    if args.steps is not None:
        words += ["--steps", str(args.steps)]
    if args.rows is not None:
        words += ["--rows", args.rows]
    if args.without_pretrained:
        words.append("--without-pretrained")
    words += [word for each in args.set for word in ("--set", each)]
    for each in args.pretrained:
        network, _, path = each.partition("=")
        words += ["--pretrained", f"{network}={Path(path).name}"]
    return shlex.join(words)


def _told_of_runs(
    experiment: "Experiment", rows: "Sequence[Any]", plan: "BenchmarkPlan"
) -> tuple[dict[str, Any], list[str]]:
    from .run_spec import is_finished, is_trained

    lines, missing, total = [f"{experiment.name}: {experiment.title}"], 0, 0
    for row in rows:
        specs = dict.fromkeys(row.specs)
        done = sum(is_finished(spec, plan.root, ("", *row.knock_outs)) for spec in specs)
        unscored = sum(is_trained(spec, plan.root) for spec in specs) - done
        total, missing = total + len(specs), missing + len(specs) - done
        state = row.note if not specs else f"{done} of {len(specs)} runs are there"
        if unscored:
            state += f", {unscored} more without all scores"
        if row.row.architecture is None:
            state = "published figure only"
        lines.append(f"  {row.row.label:<40}{state}")
    return {"runs": total, "missing": missing}, lines


def _patterns(words: str | None) -> tuple[str, ...]:
    from .errors import ModelError

    if words is None:
        return ()
    # Labels have commas with a space behind them: "ridge, color".
    patterns = tuple(word.strip() for word in re.split(",(?! )", words) if word.strip())
    if not patterns:
        raise ModelError(f"--rows {words!r} names nothing", remedy="for example 'uran*,ridge'")
    return patterns


def _pretrained(words: Sequence[str]) -> dict[str, Path]:
    from .catalogue import FACTS
    from .errors import ModelError

    known = [name for name, facts in FACTS.items() if facts.pretrained]
    found: dict[str, Path] = {}
    for word in words:
        name, sign, path = word.partition("=")
        if not sign or name not in known:
            raise ModelError(
                f"--pretrained {word!r}", remedy=f"NETWORK=FILE, of {', '.join(known)}"
            )
        if not Path(path).is_file():
            raise ModelError(
                f"--pretrained {word}: there is no such file", remedy="name one that is there"
            )
        found[name] = Path(path)
    return found


def _check_weights_are_used(plan: "BenchmarkPlan", chosen: "Sequence[Experiment]") -> None:
    from .benchmark import is_wanted
    from .errors import ModelError

    rows = [row for each in chosen for row in each.rows if is_wanted(row, each, plan)]
    for name in plan.pretrained:
        if name not in {row.architecture for row in rows}:
            raise ModelError(
                f"--pretrained {name}=…: no row of {', '.join(each.name for each in chosen)} is "
                f"a {name}",
                remedy="leave it out, or name table7, which has one",
            )


if __name__ == "__main__":
    sys.exit(main())
