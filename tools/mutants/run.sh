#!/bin/sh
# Builds the simulator with each planted bug, and counts the seeds that find it.
#
#   tools/mutants/run.sh [SEEDS] [STEPS]
#
# The bugs are patches against src; each is applied to a copy of the last commit, never to this one. A patch's first
# line says what it breaks. Prints a Markdown table; exit code 1 where a bug was found by no seed.
set -eu

seeds=${1:-100}
steps=${2:-5000}
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
: "${CARGO_TARGET_DIR:=$copy/target}"
export CARGO_TARGET_DIR
# Broken invariants unwind in this profile, so that a seed that panics does not end the others.
export CARGO_PROFILE_DEV_DEBUG=0

git clone --quiet --shared "$root" "$copy/purser"
cd "$copy/purser"
missed=0
echo "| bug | what it breaks | seeds of $seeds that find it |"
echo "|---|---|---|"
for patch in "$root"/tools/mutants/*.patch; do
    git checkout --quiet -- .
    git apply "$patch"
    if ! cargo build --quiet --package tools >"$copy/log" 2>&1; then
        cat "$copy/log" >&2
        exit 2
    fi
    "$CARGO_TARGET_DIR/debug/tools" simulate --seeds "$seeds" --steps "$steps" >"$copy/log" 2>/dev/null || true
    found=$(sed -n "s/^\([0-9]*\) of $seeds seeds failed.*/\1/p" "$copy/log")
    echo "| $(basename "$patch" .patch) | $(head -n 1 "$patch") | ${found:-none: it did not end} |"
    [ "${found:-0}" -gt 0 ] || missed=1
done
exit "$missed"
