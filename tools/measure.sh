#!/usr/bin/env bash
# The measurements of docs/benchmarks.md, on loopback, on an otherwise idle machine with two cores:
#   tools/measure.sh ceiling [ROUNDS [SECONDS]]   balance, server on core 0, wrk on core 1, against the ceiling
#   tools/measure.sh generator [ROUNDS [SECONDS]] the same with `tools load` in place of wrk
#   tools/measure.sh seed [ROUNDS [SECONDS]]      the seed scenario, 100 VUs, server and generator on the same cores
#   tools/measure.sh full [ROUNDS [SECONDS]]      the full mix, likewise
#   tools/measure.sh bet [ROUNDS [SECONDS]]       durable placebet against balance, server on core 0, client on core 1
#   tools/measure.sh snapshot [ROUNDS [SECONDS]]  durable placebet with and without a snapshot being taken
#   tools/measure.sh recovery [ROUNDS [SECONDS]]  records applied again per second after a kill, one shard
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
. tools/server.sh
trap 'stop || true; rm -rf "$scratch"' EXIT

demo() { serve "$purser" --demo-accounts "${accounts:-10000}" "${more[@]}"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$server/stat"; }
resident() { awk '/^RssAnon/ { print $2 }' "/proc/$server/status"; }
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)], v[1], v[NR] }'; }

# One round: prints the rate and the requests per second of the server's processor time.
drive() {
  local before after rate
  before=$(ticks)
  if [ "$1" = wrk ]; then
    rate=$(taskset -c 1 wrk -t1 -c100 -d"${seconds}s" -s tools/wrk/balance.lua "http://$platform/v1.0/balance" |
      awk '/Requests\/sec/ { print $2 }')
  else
    rate=$(taskset -c 1 "$release/tools" load --scenario balance --vus 100 --duration "${seconds}s" \
      --url "http://$platform" 2>/dev/null | awk '/^ *http_reqs/ { sub("/s", "", $3); print $3 }')
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
    demo
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

# A trend's value in milliseconds, of the last run of tools load: trend COLUMN
trend() {
  grep -E '^ *http_req_duration' "$scratch/out" | sed -n "s/.*$1=\([0-9.]*[mµ]*s\).*/\1/p" |
    awk '/µs$/ { printf "%.3f\n", $0 / 1000; next } /ms$/ { printf "%.3f\n", $0 + 0; next } { printf "%.3f\n", $0 * 1000 }'
}
# Plays a scenario from core 1: play SCENARIO VUS; the summary goes to $scratch/out, the rate is printed.
play() {
  taskset -c 1 "$release/tools" load --scenario "$1" --vus "$2" --duration "${seconds}s" --tails \
    --url "http://$platform" 2>/dev/null >"$scratch/out"
  grep -q 'checks.*100.00%' "$scratch/out" || { echo "a check has failed" >&2; exit 1; }
  awk '/^ *http_reqs/ { sub("/s", "", $3); printf "%.0f\n", $3 }' "$scratch/out"
}
# Prints a line of medians: show NAME FILE UNIT
show() { median <"$2" | awk -v n="$1" -v u="$3" '{ printf "%-28s %10s %s (%s to %s)\n", n, $1, u, $2, $3 }'; }

case ${1:-} in
  bet)
    more=(--cores 0)
    for _ in $(seq 1 "$rounds"); do
      rm -rf "$scratch/data"
      demo
      balance=$(play balance 100)
      bet=$(play bet 100)
      trend 'p(99)' >>"$scratch/p99"
      play bet 1 >/dev/null
      trend med >>"$scratch/p50"
      echo "$balance" >>"$scratch/balance"
      echo "$bet" >>"$scratch/bet"
      awk -v a="$balance" -v b="$bet" 'BEGIN { printf "%.3f\n", b / a }' >>"$scratch/ratio"
      stop
    done
    show "balance, 100 connections" "$scratch/balance" requests/s
    show "placebet, 100 connections" "$scratch/bet" requests/s
    show "ratio" "$scratch/ratio" ""
    show "placebet, 100, p(99)" "$scratch/p99" ms
    show "placebet, 1, median" "$scratch/p50" ms
    ;;
  snapshot)
    # Every segment is folded at once, so that a snapshot is under way nearly all the time.
    cat >"$scratch/purser.toml" <<'TOML'
operator_token = "t"
games = ["11588"]
[[platform]]
key = "L100"
user = "admin"
password = "admin"
domains = ["default"]
[[domain]]
name = "default"
currency = "GBP"
[storage]
snapshot_segments = 1
TOML
    for _ in $(seq 1 "$rounds"); do
      for segments in 1024 1; do
        sed -i "s/^snapshot_segments.*/snapshot_segments = $segments/" "$scratch/purser.toml"
        rm -rf "$scratch/data"
        start "$purser" serve --config "$scratch/purser.toml" --data "$scratch/data" --cores 0 \
          --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0
        for vu in $(seq -f %06g 1 100); do
          account="http://$operator/operator/v1/accounts/default/player-$vu"
          curl -fsS -o /dev/null -H 'Authorization: Bearer t' -X PUT -d '{"CountryCode":"GB"}' "$account" \
            --next -fsS -o /dev/null -H 'Authorization: Bearer t' -d '{"TransactionID":"1","Amount":1000000}' "$account/deposits" \
            --next -fsS -o /dev/null -H 'Authorization: Bearer t' -d "{\"SessionKey\":\"demo-$vu\"}" "$account/sessions"
        done
        play bet 100 >>"$scratch/rate-$segments"
        trend 'p(99.9)' >>"$scratch/p999-$segments"
        stop
      done
    done
    show "no snapshot" "$scratch/rate-1024" requests/s
    show "no snapshot, p(99.9)" "$scratch/p999-1024" ms
    show "snapshots" "$scratch/rate-1" requests/s
    show "snapshots, p(99.9)" "$scratch/p999-1" ms
    ;;
  recovery)
    more=(--cores 0)
    demo
    play bet 100 >/dev/null
    kill -9 "$server"
    wait "$server" 2>/dev/null || true
    for _ in $(seq 1 "$rounds"); do
      demo
      sed -n 's/.*purser: \([0-9]*\) records were applied again in \([0-9.]*\) s/\1 \2/p' "$scratch/server.log" |
        awk '{ printf "%.0f\n", $1 / $2 }' >>"$scratch/recovery"
      sed -n 's/^purser: \(.*applied again.*\)/\1/p' "$scratch/server.log"
      kill -9 "$server"
      wait "$server" 2>/dev/null || true
      server=
    done
    show "recovery, one core" "$scratch/recovery" records/s
    ;;
  ceiling) against_ceiling wrk ;;
  generator) against_ceiling load ;;
  seed | full)
    more=()
    for _ in $(seq 1 "$rounds"); do
      rm -rf "$scratch/data"
      demo
      "$release/tools" load --scenario "$1" --vus 100 --duration "${seconds}s" --url "http://$platform" 2>/dev/null >"$scratch/out"
      stop
      grep -E '^ *(✓ )?checks|^ *http_req_duration|^ *http_reqs' "$scratch/out"
    done
    ;;
  memory)
    more=()
    accounts=0 demo
    empty=$(resident)
    stop
    accounts=1000000 demo
    full=$(resident)
    echo "accounts: $(((full - empty) * 1024 / 1000000)) bytes each, with one session, at 1,000,000"
    stop
    demo
    before=$(resident)
    "$release/tools" load --scenario balance --vus 10000 --duration 8s --url "http://$platform" >/dev/null 2>&1 &
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
    demo
    before=$(ticks)
    sleep 10
    echo "idle: $(($(ticks) - before)) ticks of 10 ms in 10 s"
    ;;
  *) sed -n '2,12p' "$0" | cut -c3-; exit 2 ;;
esac
