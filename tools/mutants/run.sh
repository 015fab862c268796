#!/bin/sh
# Builds the simulator with each planted bug, and counts the seeds that find it.
#
#   tools/mutants/run.sh [SEEDS] [STEPS] [NAME...]
#
# The bugs are patches against src; each is applied to a copy of the last commit, never to this one. A patch's first
# line says what it breaks. Only the simulator is built, and again only what a patch changes: half a minute for each on
# two cores. Prints a Markdown table; exit code 1 where a bug was found by no seed, and 2 where one can't be built.
set -eu

seeds=${1:-100}
steps=${2:-5000}
[ $# -lt 2 ] || shift 2
root=$(git -C "$(dirname "$0")" rev-parse --show-toplevel)
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
: "${CARGO_TARGET_DIR:=$copy/target}"
export CARGO_TARGET_DIR
# Broken invariants unwind in this profile, so that a seed that panics does not end the others.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=1

git clone --quiet --shared "$root" "$copy/purser"
cd "$copy/purser"
missed=0
echo "| bug | what it breaks | seeds of $seeds that find it |"
echo "|---|---|---|"
[ $# -gt 0 ] || set -- $(cd "$root/tools/mutants" && ls ./*.patch)
for name; do
    name=$(basename "$name" .patch)
    patch=$root/tools/mutants/$name.patch
    git checkout --quiet -- .
    git apply "$patch"
    if ! cargo build --quiet --package tools --bin simulator >"$copy/log" 2>&1; then
        echo "$name can't be built" >&2
        cat "$copy/log" >&2
        exit 2
    fi
    "$CARGO_TARGET_DIR/debug/simulator" --seeds "$seeds" --steps "$steps" >"$copy/log" 2>/dev/null || true
    found=$(sed -n "s/^\([0-9]*\) of $seeds seeds failed.*/\1/p" "$copy/log")
    echo "| $name | $(head -n 1 "$patch") | ${found:-none: it did not end} |"
    [ "${found:-0}" -gt 0 ] || missed=1
done
exit "$missed"
