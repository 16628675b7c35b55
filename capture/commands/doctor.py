"""``mavfer-capture doctor``."""

import argparse
from pathlib import Path

from ..terminal import EXIT_FAILED, EXIT_OK, add_common_options, print_result

_EPILOG = """\
examples:
  mavfer-capture doctor                       (everything this machine could serve)
  mavfer-capture doctor --rig rig.toml        (what the rig's local sensors need)
  mavfer-capture doctor --rig rig.toml --sensor a65 --output /data/sessions

exit status: 1 when something is missing that the rig needs, else 0
"""
_KINDS = ("kinect2", "a65", "opencv")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the subcommand."""
    doctor = commands.add_parser(
        "doctor",
        help="say what this machine lacks to serve its sensors",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument("--rig", type=Path, help="rig file; default: all kinds of sensors")
    doctor.add_argument("--sensor", help="one sensor of the rig, also one with an address")
    doctor.add_argument("--output", type=Path, default=Path("sessions"), help="root of sessions")
    add_common_options(doctor)
    doctor.set_defaults(handler=_doctor)


def _doctor(args: argparse.Namespace) -> int:
    from ..config import LOCAL, load_rig_config
    from ..doctor import examine
    from ..errors import ConfigError
    from ..structure import encode

    kinds = list(_KINDS)
    if args.rig:
        rig = load_rig_config(args.rig)
        entries = [rig.entry(args.sensor)] if args.sensor else rig.sensor
        kinds = [entry.kind for entry in entries if args.sensor or entry.address == LOCAL]
    elif args.sensor:
        raise ConfigError("--sensor without --rig", remedy="pass the rig file it is in")
    findings = examine(kinds, args.output)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:8s} {finding.subject}: {finding.text}")
        if finding.remedy:
            lines.append(f"         -> {finding.remedy}")
    healthy = all(finding.state != "missing" for finding in findings)
    print_result(args, {"healthy": healthy, "findings": encode(findings)}, lines)
    return EXIT_OK if healthy or not args.rig else EXIT_FAILED
