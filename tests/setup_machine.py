"""What the tests need beyond Python packages: a Chromium. Uses the machine's own, else Playwright's download."""

from __future__ import annotations

import shutil
import subprocess
import sys


def browser() -> str | None:
    """The path of an installed Chromium, or None where only Playwright's own could be used."""
    return next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)


def main() -> None:
    if browser() is None:
        print("Fetching a browser for the browser tests (once) ...")
        done = subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False)
        if done.returncode != 0:
            print("No browser could be fetched; the browser tests will be skipped and say so.")


if __name__ == "__main__":
    main()
