#!/bin/sh
# Builds the simulator with each planted bug, and counts the seeds that find it.
#
#   tools/mutants/run.sh [SEEDS] [STEPS] [NAME...]
#
# The bugs are patches against src; each is applied to a copy of the last commit, never to this one. A patch's first
# line says what it breaks. A second line "found by: ARGUMENTS" names the test, for `cargo test`, that finds what no seed
# of a hundred does: that one is run, and has to fail. Only what a patch changes is built again: half a minute for each on
# two cores. Prints a Markdown table; exit code 1 where a bug was not found, and 2 where one can't be built.
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
echo "| bug | what it breaks | seeds of $seeds that find it, or the test |"
echo "|---|---|---|"
[ $# -gt 0 ] || set -- $(cd "$root/tools/mutants" && ls ./*.patch)
for name; do
    name=$(basename "$name" .patch)
    patch=$root/tools/mutants/$name.patch
    git checkout --quiet -- .
    git apply "$patch"
    finder=$(sed -n '2s/^found by: //p' "$patch")
    # shellcheck disable=SC2086
    case $finder in
        "") build="cargo build --quiet --package tools --example simulator" ;;
        *) build="cargo test --quiet --no-run $finder" ;;
    esac
    if ! $build >"$copy/log" 2>&1; then
        echo "$name can't be built" >&2
        cat "$copy/log" >&2
        exit 2
    fi
    if [ -n "$finder" ]; then
        # shellcheck disable=SC2086
        if cargo test --quiet $finder >"$copy/log" 2>&1; then
            echo "| $name | $(head -n 1 "$patch") | none: it passes |"
            missed=1
        else
            echo "| $name | $(head -n 1 "$patch") | \`${finder##* }\` |"
        fi
        continue
    fi
    "$CARGO_TARGET_DIR/debug/examples/simulator" --seeds "$seeds" --steps "$steps" >"$copy/log" 2>/dev/null || true
    found=$(sed -n "s/^\([0-9]*\) of $seeds seeds failed.*/\1/p" "$copy/log")
    echo "| $name | $(head -n 1 "$patch") | ${found:-none: it did not end} |"
    [ "${found:-0}" -gt 0 ] || missed=1
done
exit "$missed"
