#!/usr/bin/env bash
# The measurements of docs/benchmarks.md, on loopback, on an otherwise idle machine with two cores:
#   tools/measure.sh ceiling [ROUNDS [SECONDS]]   balance, server on core 0, wrk on core 1, against the ceiling
#   tools/measure.sh generator [ROUNDS [SECONDS]] the same with `tools load` in place of wrk
#   tools/measure.sh seed [ROUNDS [SECONDS]]      the seed scenario, 100 VUs, server and generator on the same cores
#   tools/measure.sh memory                       1,000,000 accounts; 10,000 connections
#   tools/measure.sh idle                         processor time of an idle server in ten seconds
# PURSER=FILE measures another build of the server.
set -euo pipefail
cd "$(dirname "$0")/.."
release=${CARGO_TARGET_DIR:-target}/release
purser=${PURSER:-$release/purser}
rounds=${2:-5}
seconds=${3:-5}
scratch=$(mktemp -d)
server=
trap 'stop; rm -rf "$scratch"' EXIT

# Starts a command in the background and waits until it says where it listens, which goes to $address.
start() {
  : >"$scratch/log"
  "$@" 2>"$scratch/log" &
  server=$!
  until grep -q '127\.0\.0\.1:' "$scratch/log"; do kill -0 "$server"; sleep 0.05; done
  address=$(grep -o '127\.0\.0\.1:[0-9]*' "$scratch/log" | head -n 1)
}
serve() {
  start "$@" serve --demo --demo-accounts "${accounts:-10000}" --data "$scratch/data" \
    --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0 "${more[@]}"
}
stop() { if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; server=; fi; }
ticks() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }
resident() { awk '/^RssAnon/ { print $2 }' "/proc/$server/status"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'; }

# One round: prints the rate and the requests per second of the server's processor time.
drive() {
  local before after rate
  before=$(ticks)
  if [ "$1" = wrk ]; then
    rate=$(taskset -c 1 wrk -t1 -c100 -d"${seconds}s" -s tools/wrk/balance.lua "http://$address/v1.0/balance" |
      awk '/Requests\/sec/ { print $2 }')
  else
    rate=$(taskset -c 1 "$release/tools" load --scenario balance --vus 100 --duration "${seconds}s" \
      --url "http://$address" 2>/dev/null | awk '/^ *http_reqs/ { sub("/s", "", $3); print $3 }')
  fi
  after=$(ticks)
  awk -v r="$rate" -v s="$seconds" -v t=$((after - before)) 'BEGIN { printf "%.0f %.0f\n", r, r * s * 100 / t }'
}

against_ceiling() {
  more=(--cores 0)
  for _ in $(seq 1 "$rounds"); do
    start "$release/tools" ceiling --listen 127.0.0.1:0 --pin 0
    drive "$1" >>"$scratch/ceiling"
    stop
    serve "$purser"
    drive "$1" >>"$scratch/purser"
    stop
  done
  for who in ceiling purser; do
    read -r rate least most < <(cut -d' ' -f1 "$scratch/$who" | median)
    read -r per_cpu _ _ < <(cut -d' ' -f2 "$scratch/$who" | median)
    [ "$who" = ceiling ] && top=$rate && top_per_cpu=$per_cpu
    awk -v w="$who" -v r="$rate" -v l="$least" -v m="$most" -v t="$top" -v c="$per_cpu" -v u="$top_per_cpu" 'BEGIN {
      printf "%-8s %8d requests/s (%d to %d), %.2f of the ceiling; per CPU-second %8d, %.2f\n", w, r, l, m, r / t, c, c / u }'
  done
}

case ${1:-} in
  ceiling) against_ceiling wrk ;;
  generator) against_ceiling load ;;
  seed)
    more=()
    for _ in $(seq 1 "$rounds"); do
      serve "$purser"
      "$release/tools" load --vus 100 --duration "${seconds}s" --url "http://$address" 2>/dev/null >"$scratch/out"
      stop
      grep -E '^ *(✓ )?checks|^ *http_req_duration|^ *http_reqs' "$scratch/out"
    done
    ;;
  memory)
    more=()
    accounts=0 serve "$purser"
    empty=$(resident)
    stop
    accounts=1000000 serve "$purser"
    full=$(resident)
    echo "accounts: $(((full - empty) * 1024 / 1000000)) bytes each, with one session, at 1,000,000"
    stop
    serve "$purser"
    before=$(resident)
    "$release/tools" load --scenario balance --vus 10000 --duration 8s --url "http://$address" >/dev/null 2>&1 &
    load=$!
    most=0
    while kill -0 "$load" 2>/dev/null; do
      now=$(resident)
      if [ "$now" -gt "$most" ]; then most=$now; fi
      sleep 0.2
    done
    echo "connections: $(((most - before) * 1024 / 10000)) bytes each at most, at 10,000, none of them idle"
    ;;
  idle)
    more=()
    serve "$purser"
    before=$(ticks)
    sleep 10
    echo "idle: $(($(ticks) - before)) ticks of 10 ms in 10 s"
    ;;
  *) sed -n '2,9p' "$0" | cut -c3-; exit 2 ;;
esac
