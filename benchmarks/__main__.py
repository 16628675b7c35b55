"""Run benchmarks: ``python -m benchmarks`` all, ``python -m benchmarks sim`` one."""

import argparse
import importlib
import sys
from pathlib import Path


def main() -> int:
    """Run the benchmarks asked for, each in turn; a failing one does not stop the others."""
    available = sorted(
        p.stem.removeprefix("bench_") for p in Path(__file__).parent.glob("bench_*.py")
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(available)}")
    names = parser.parse_args().names or available
    unknown = sorted(set(names) - set(available))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; available: {', '.join(available)}")
    failed = []
    for name in names:
        try:
            importlib.import_module(f"benchmarks.bench_{name}").main()
        except Exception as error:  # noqa: BLE001 - one broken benchmark must not hide the rest
            sys.stderr.write(f"benchmark {name} failed: {error!r}\n")
            failed.append(name)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
