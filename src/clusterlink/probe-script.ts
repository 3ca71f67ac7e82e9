// The probe's shell script: constant, plain POSIX sh with busybox's tools, and quiet but for its one line of result.

/**
 * Opens SKYFABRIC_PROBE_HOST:PORT SKYFABRIC_PROBE_COUNT times, trying for at most SKYFABRIC_PROBE_CONNECT_SECONDS, sends a small
 * HTTP/1.0 request and waits for a first byte, for at most SKYFABRIC_PROBE_TIMEOUT_SECONDS. `nc -e` runs the exchange with the
 * connection as its input and output, so that nothing half-closes it while the answer is awaited. Notes and result go to
 * /dev/termination-log (or to the file that SKYFABRIC_PROBE_RESULT names): a file, since busybox's `timeout` leaves a watcher behind
 * that would hold a pipe open for a second. The answer itself is counted and thrown away. An image without such an `nc` exits 2, and
 * its complaint stands where the result should be.
 *
 * ClusterLink refuses a caller until its control plane has seen the pod's address, which the node tells up to a second after the
 * pod has begun to run; a cluster's DNS goes on for some seconds to deny a name that was asked for before it was there, or to give the
 * address of a Service that is gone, where nobody answers; and a new Service refuses until its endpoints are known on the node. So until
 * something has come, these are tried again, SKYFABRIC_PROBE_SETTLE_TRIES times; a call that nobody answered counts for ten.
 */
export const PROBE_SCRIPT = `
exchange='
echo open >&2
printf "GET / HTTP/1.0\\r\\nHost: %s\\r\\nConnection: close\\r\\n\\r\\n" "$SKYFABRIC_PROBE_HOST"
timeout "$SKYFABRIC_PROBE_TIMEOUT_SECONDS" sh -c "dd bs=4096 count=1 2>/dev/null | wc -c >&2"
echo "read $?" >&2
'
result=\${SKYFABRIC_PROBE_RESULT:-/dev/termination-log}
finish() {
  echo "$1"
  echo "$1" >"$result"
  exit "$2"
}
set -f
settle=$SKYFABRIC_PROBE_SETTLE_TRIES
attempt=0
total=0
while [ "$attempt" -lt "$SKYFABRIC_PROBE_COUNT" ]; do
  attempt=$((attempt + 1))
  : >"$result"
  nc -w "$SKYFABRIC_PROBE_CONNECT_SECONDS" "$SKYFABRIC_PROBE_HOST" "$SKYFABRIC_PROBE_PORT" -e sh -c "$exchange" </dev/null >/dev/null 2>>"$result"
  seen=$(echo $(cat "$result"))
  tries=1
  case $seen in
    'open '[1-9]*' read 0')
      bytes=\${seen#open }
      total=$((total + \${bytes%% *}))
      continue
      ;;
    *'read 124' | *'read 143') reason=silent ;;
    open*) reason=reset ;;
    *'bad address'*) reason=resolve ;;
    *'nc: not found'* | *'invalid option'*) exit 2 ;;
    *refused*) reason=connect ;;
    *) reason=connect tries=10 ;;
  esac
  if [ "$total" = 0 ] && [ "$reason" != silent ] && [ "$settle" -gt 0 ]; then
    settle=$((settle - tries))
    attempt=0
    sleep 0.2 2>/dev/null || sleep 1
    continue
  fi
  finish "failed attempt=$attempt reason=$reason" 1
done
finish "ok bytes=$total" 0
`.trimStart();
