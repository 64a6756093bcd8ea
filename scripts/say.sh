# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts: where the repository is and how they talk.
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"

say() { printf '== %s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}
# A compiler cache where there is one. CMakePresets.json reads this variable.
if [[ -z "${KVORUM_COMPILER_LAUNCHER+set}" ]] && command -v ccache >/dev/null; then
  export KVORUM_COMPILER_LAUNCHER=ccache
fi
JOBS="${JOBS:-$(nproc)}"
