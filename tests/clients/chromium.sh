#!/usr/bin/env bash
# The browser that tests drive: an installed Chromium or Chrome, or else Debian's.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
  if command -v "$name" >/dev/null; then
    exit 0
  fi
done
"$(dirname "$0")/debian.sh" 'tests drive pages in it' chromium
