"""`just test`: everything that needs no root, no engine and no Go, in the order of what fails fastest; then the coverage of it all.

The suites that share nothing run on two workers; those that start processes run alone, because they measure time-outs.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COVER = ["--cov", "--cov-report=", "--cov-append"]
SUITES: tuple[tuple[str, list[str]], ...] = (
    ("unit", ["tests/unit", "-n", "2", *COVER]),
    ("the house itself", ["tests/tidy", "-n", "2"]),
    ("simulation", ["tests/simulation", "-n", "2", "--seeds=200"]),
    ("contract", ["tests/contract", "-n", "2", "--dist", "loadfile", *COVER]),
    ("end to end", ["tests/e2e", "-m", "not kube"]),
)


def main() -> int:
    tools = Path(sys.executable).parent
    (ROOT / ".coverage").unlink(missing_ok=True)
    failed = []
    for name, arguments in SUITES:
        started = time.monotonic()
        print(f"== {name}", flush=True)
        result = subprocess.run([str(tools / "pytest"), *arguments], cwd=ROOT, env=os.environ, check=False)
        print(f"== {name}: {'passed' if result.returncode == 0 else 'FAILED'} in {time.monotonic() - started:.0f} s", flush=True)
        if result.returncode != 0:
            failed.append(name)
    report = subprocess.run(
        [str(tools / "coverage"), "report", "--format=total"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    print(f"coverage of unit and contract: {report} %")
    print(f"failed: {', '.join(failed)}" if failed else "all suites passed", flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
