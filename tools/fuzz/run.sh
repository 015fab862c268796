#!/usr/bin/env bash
# Runs every target under libFuzzer, one after the other, for SECONDS each, and prints the rows of the table in
# docs/testing.md. Names behind it run those targets alone.
#
#   tools/fuzz/run.sh SECONDS [TARGET…]
#
# Needs Rust, as stable as it comes, and g++ for libFuzzer. The flags are those of cargo-fuzz.
# What is found is left in target/libfuzzer/artifacts: make it a file of tools/fuzz/corpus/TARGET. What the fuzzer has
# learnt stays in target/libfuzzer/corpus and is gone on from.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:?usage: tools/fuzz/run.sh SECONDS [TARGET…]}
shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  targets=(http platform operator credentials amounts records journal snapshots history config)
fi

host=$(rustc -vV | sed -n 's/^host: //p')
dir=target/libfuzzer
export RUSTC_BOOTSTRAP=1
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address --cfg fuzzing -Cdebug-assertions -Ccodegen-units=1" \
  cargo build --release -p fuzz --features libfuzzer --bins --target "$host" --target-dir "$dir" \
  --config profile.release.lto=false --config 'profile.release.panic="unwind"' >&2
unset RUSTC_BOOTSTRAP

bin=$dir/$host/release
mkdir -p "$dir/artifacts" "$dir/logs"
"$bin/seeds" "$dir/seeds"
status=0
for target in "${targets[@]}"; do
  mkdir -p "$dir/corpus/$target" "$dir/artifacts/$target"
  log=$dir/logs/$target.log
  dictionary=()
  if [ -s "$dir/seeds/$target.dict" ]; then dictionary=(-dict="$dir/seeds/$target.dict"); fi
  found=nothing
  # An input takes microseconds; the bound is wide, because a busy machine may leave nothing to who is this nice.
  nice -n 19 "$bin/$target" -max_total_time="$seconds" -max_len=16384 -timeout=60 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$dir/artifacts/$target/" "${dictionary[@]}" \
    "$dir/corpus/$target" "$dir/seeds/$target" >"$log" 2>&1 || { found="a fault, see $log"; status=1; }
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | grep -o '[0-9]*' || true)
  features=$(grep -o 'ft: [0-9]*' "$log" | tail -n 1 | grep -o '[0-9]*' || true)
  echo "| $target | ${runs:-0} | ${coverage:-0} | ${features:-0} | $seconds s | $(date +%F) | $found |"
done
exit $status
