# .ci/run and tools/measure.sh source this file. It runs one program at a time in the background, and writes to their $scratch.
server=

# start COMMAND...: starts a program, and waits until it says where it listens. Sets $server to its process, $platform to its
# first address and $operator to its second one, and leaves what it says in $scratch/server.log.
start() {
  : >"$scratch/server.log"
  "$@" 2>"$scratch/server.log" &
  server=$!
  local line
  for _ in $(seq 1 6000); do
    if line=$(grep -m 1 '^\(purser serves\|ceiling answers\) ' "$scratch/server.log"); then
      { read -r platform; read -r operator || operator=; } < <(grep -o '127\.0\.0\.1:[0-9]*' <<<"$line")
      return
    fi
    kill -0 "$server" 2>/dev/null || break
    sleep 0.05
  done
  cat "$scratch/server.log" >&2
  echo "it did not start: $*" >&2
  exit 1
}

# serve PROGRAM [ARGUMENT...]: starts that purser with demo data.
serve() {
  start "$1" serve --demo --listen 127.0.0.1:0 --operator-listen 127.0.0.1:0 --data "$scratch/data" "${@:2}"
}

# Ends it in order; fails where it does not end well.
stop() {
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    local ends=$server
    server=
    wait "$ends"
  fi
}
