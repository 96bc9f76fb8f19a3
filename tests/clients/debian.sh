#!/usr/bin/env bash
# Installs Debian's packages where there is apt-get; elsewhere says what to install. debian.sh WHY PACKAGE…
set -euo pipefail
why=$1
shift
if ! command -v apt-get >/dev/null; then
  echo "install $*: $why" >&2
  exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  as_root=(sudo)
fi
"${as_root[@]}" apt-get update -qq
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
