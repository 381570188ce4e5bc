#!/bin/sh
# Makes .venv with the locked versions. Usage: setup.sh PYTHON runtime|dev. Called by make; safe to call again.
set -eu
python=$1
kind=$2
say() { printf '%s\n' "$*"; }

command -v "$python" >/dev/null 2>&1 || {
  say "Python was not found. Install Python 3.11 or newer (Debian: sudo apt install python3 python3-venv), or name one: make run PYTHON=/path/to/python3"
  exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  say "Traveloure needs Python 3.11 or newer; $python is $("$python" -V 2>&1). Name a newer one: make run PYTHON=python3.12"
  exit 1
}

lock=requirements.lock
[ "$kind" = dev ] && lock=requirements-dev.lock
if command -v uv >/dev/null 2>&1; then
  [ -x .venv/bin/python ] || { say "Making .venv with uv ..."; uv venv -q --python "$python" .venv; }
  say "Installing the locked packages ($lock) ..."
  uv pip install -q --python .venv/bin/python --require-hashes -r "$lock"
  uv pip install -q --python .venv/bin/python --no-deps --editable .
else
  if [ ! -x .venv/bin/pip ]; then
    say "Making .venv ..."
    "$python" -m venv .venv 2>/dev/null || {
      rm -rf .venv
      say "This Python cannot make virtual environments. On Debian or Ubuntu: sudo apt install python3-venv"
      exit 1
    }
  fi
  say "Installing the locked packages ($lock); this takes a minute the first time ..."
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r "$lock"
  .venv/bin/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation --editable .
fi
touch .venv/.runtime
[ "$kind" = dev ] && touch .venv/.dev
say "Ready."
