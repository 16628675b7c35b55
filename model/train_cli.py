"""``mavfer-train``: train MRAN or URAN on a clip store."""

import argparse
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from capture import terminal

from .catalogue import ARCHITECTURES, FACTS
from .presets import PRESETS

_EPILOG = """\
examples:
  mavfer-train store.h5 -o runs/mran --model mran --preset small
  mavfer-train store.h5 -o runs/uran --model uran --modalities color --max-seconds 200
  mavfer-train store.h5 -o runs/paper --model mran --preset paper --seed 3
  mavfer-train store.h5 -o runs/paper --resume
  mavfer-train store.h5 --config mran.toml --set attention=standardise --set peephole=none
  mavfer-train store.h5 --config runs/mran/config.json --seed 1 -o runs/mran-1
  torchrun --standalone --nproc-per-node 2 --no-python mavfer-train store.h5 -o runs/mran
  mavfer-train export runs/mran -o mran.onnx

presets:
  paper  the paper's network and hyper-parameters: 96x96 crops, full width, Xavier, Adam 1e-4,
         batches of 4 (mran) or 8 (uran), dropout 0.5. Hours on a CPU.
  recommended  the paper's size with what lets it learn; hours on a CPU.
  small  learns in minutes on one core. It deviates from the paper: 48x48 crops, a quarter of the
         width, Adam 1e-3 with warm-up, a CCC term in the loss, a last layer that starts small,
         standardised attention, per-clip normalisation. Say so where you report its figures.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["export"]:
        from .export_cli import main as export

        return export(words[1:])
    return terminal.run_command(_train, _parser().parse_args(words))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavfer-train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EPILOG + "\nnetworks:\n" + _networks(),
    )
    parser.add_argument("store", type=Path, help="clip store (mavfer-build-dataset)")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        help="run folder (default: runs/MODEL-MODALITIES-seedN)",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file, or the config.json of a run"
    )
    parser.add_argument(
        "--model", choices=ARCHITECTURES, metavar="NAME", help="network (default: mran)"
    )
    parser.add_argument("--preset", choices=PRESETS, help="default: small")
    parser.add_argument(
        "--modalities",
        help="comma-separated, the one that carries the features first "
        "(default: color,depth,thermal as far as the store has them; color for uran)",
    )
    parser.add_argument(
        "--target",
        choices=("valence", "arousal", "both", "category"),
        help="dimension to predict (default: valence)",
    )
    parser.add_argument("--seed", type=int, help="default: 0")
    parser.add_argument("--steps", type=int, metavar="N", help="training steps")
    parser.add_argument("--batch-size", type=int, metavar="N")
    parser.add_argument("--learning-rate", type=float, metavar="RATE")
    parser.add_argument("--validate-every", type=int, metavar="STEPS")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other field of the configuration (docs/how-to/train.md), e.g. attention=literal",
    )
    parser.add_argument(
        "--max-seconds",
        type=float,
        metavar="S",
        help="stop cleanly after so long, whatever the steps",
    )
    parser.add_argument(
        "--save-every",
        type=float,
        default=60.0,
        metavar="S",
        help="keep the state for --resume at least so often (default: 60 s)",
    )
    parser.add_argument("--checkpointing", action="store_true", help="less memory for more time")
    parser.add_argument(
        "--tensorboard", action="store_true", help="write TensorBoard events into OUTPUT/events"
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in OUTPUT")
    parser.add_argument("--overwrite", action="store_true", help="replace the run in OUTPUT")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all)")
    parser.add_argument("--workers", type=int, default=0, help="processes that read clips")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    terminal.add_common_options(parser)
    return parser


def _networks() -> str:
    return "".join(f"  {name:<18}{FACTS[name].summary}\n" for name in ARCHITECTURES)


def _train(args: argparse.Namespace) -> int:
    from dataclasses import asdict

    from mavfer.store import open_store

    from .data import categories_of
    from .device import chosen_device
    from .errors import ModelError, ModelWarning
    from .pace import Pace
    from .ranks import joined_ranks, local_device
    from .run_folder import CURVES, RunFolder
    from .settings import chosen_configs, default_output, resumed_configs
    from .train import TrainPlan, train
    from .train_report import report_lines

    for name in ("max_seconds", "save_every"):
        value = getattr(args, name)
        if value is not None and not value >= 0:
            option = f"--{name.replace('_', '-')}"
            raise ModelError(f"{option} is {value:g}, expected 0 or more")
    if args.workers < 0:
        raise ModelError(f"--workers is {args.workers}, expected 0 or more")
    if args.resume and args.overwrite:
        raise ModelError(
            "--resume and --overwrite at once: the one goes on with a run, the other replaces it",
            remedy="leave one of them out",
        )
    device = chosen_device(local_device(args.device), threads=args.threads)
    pace = Pace()
    with open_store(args.store) as store, joined_ranks(device) as ranks:
        if args.resume:
            if args.output is None:
                raise ModelError("--resume: which run?", remedy="name its folder with -o")
            preset, model, training = resumed_configs(args)
        else:
            preset, model, training = chosen_configs(args, store.modalities, categories_of(store))
        if args.workers and training.cache == "prepared" and ranks.is_first:
            warnings.warn(
                f"--workers {args.workers} do nothing here: with cache=prepared all clips are read "
                "once, before the first step (--set cache=none reads them for every step)",
                ModelWarning,
                stacklevel=1,
            )
        output: Path = args.output or default_output(model, training)
        plan = TrainPlan(
            model=model,
            train=training,
            preset=preset,
            device=device,
            workers=args.workers,
            max_seconds=args.max_seconds,
            save_every_s=args.save_every,
            tensorboard=args.tensorboard,
        )
        shown = ranks.is_first and not args.quiet
        with (
            terminal.progress("reading clips", enabled=shown) as on_read,
            terminal.progress("training", enabled=shown, detail=pace.__str__) as on_progress,
        ):
            result = train(
                store,
                output,
                plan,
                ranks=ranks,
                resume=args.resume,
                overwrite=args.overwrite,
                on_progress=on_progress,
                on_read=on_read,
                on_validation=_Watch() if shown else None,
                pace=pace,
            )
    if not ranks.is_first:
        return terminal.EXIT_OK
    from .figures import draw_curves

    files = RunFolder(output)
    title = f"{model.architecture} {'+'.join(model.modalities)}, preset {preset}"
    draw_curves(files.metrics(), output / CURVES, title=title)
    report: dict[str, Any] = {
        "run": str(output),
        "checkpoint": str(files.checkpoint),
        "curves": str(output / CURVES),
        "model": model.architecture,
        "modalities": list(model.modalities),
        "preset": preset,
        "device": str(device),
        **asdict(result),
    }
    rounded = ("seconds_s", "step_s", "clips_per_s", "data_wait")
    report |= {name: round(report[name], 4) for name in rounded}
    terminal.print_result(args, report, report_lines(report, training))
    return terminal.EXIT_OK


class _Watch:
    """Says once when the predictions stop saying anything, and once when they do again."""

    def __init__(self) -> None:
        self._constant = False

    def __call__(self, line: dict[str, Any]) -> None:
        constant = bool(line.get("constant_output"))
        if constant and not self._constant:
            sys.stderr.write(
                f"step {line['step']}: constant output - the network still predicts the same for "
                "every clip\n"
            )
        if self._constant and not constant:
            sys.stderr.write(f"step {line['step']}: predictions differ between clips now\n")
        self._constant = constant


if __name__ == "__main__":
    sys.exit(main())
