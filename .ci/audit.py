"""The locked dependencies against the list of known vulnerabilities, said in a line.

A known vulnerability fails. A list that cannot be asked (no network, a mirror without it) is said and does not fail:
a check that fails for the weather is soon ignored. What was not audited is never counted as clean.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements.lock"
SECONDS = 120


def main() -> int:
    """0, or 1 where a locked version has a known vulnerability."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--no-deps", "--disable-pip"]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False).stdout  # noqa: S603 - fixed words
        packages = json.loads(said)["dependencies"]
    except (subprocess.TimeoutExpired, ValueError):
        packages = []
    known = [package for package in packages if "skip_reason" not in package]
    if not known:
        print("audit: left out, the list of known vulnerabilities cannot be asked from here")
        return 0
    found = [(package, flaw) for package in known for flaw in package["vulns"]]
    for package, flaw in found:
        fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
        print(f"audit: {package['name']} {package['version']}: {flaw['id']}, fixed in {fixed}")
    print(f"audit: {len(found)} known vulnerabilities in {len(known)} of {len(packages)} locked packages")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
