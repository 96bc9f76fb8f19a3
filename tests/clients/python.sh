#!/usr/bin/env bash
# The Python tools that the tests drive, by `requirements.txt`, in target/python. Debian's python3 is installed where there is none.
set -euo pipefail
cd "$(dirname "$0")"
home=../../target/python
if cmp -s requirements.txt "$home/installed.txt"; then
  exit 0
fi
if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
  ./debian.sh 'tests drive tools in Python' python3 python3-venv
fi
rm -rf "$home"
python3 -m venv "$home"
"$home/bin/pip" install --quiet --disable-pip-version-check --no-deps -r requirements.txt
cp requirements.txt "$home/installed.txt"
