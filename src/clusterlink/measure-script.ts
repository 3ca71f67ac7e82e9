// The measurement's shell script: constant, plain POSIX sh with busybox's tools, and quiet but for its one line of result.

/**
 * Measures a service that gives back what it gets. First SKYFABRIC_MEASURE_CALLS new connections to SKYFABRIC_MEASURE_HOST:PORT, one after
 * the other, each with a line there and back; then one connection on which 1 MiB goes there and back while it also comes, again and
 * again until a second has passed, SKYFABRIC_MEASURE_ROUNDS times at most. Every answer is compared with what was sent. The payload
 * is a list of numbers, so that a block which is lost, doubled or moved shows.
 *
 * Time is read from /proc/uptime, in hundredths of a second: a sum of many such differences is as good as a finer clock. As in the
 * probe's script, `nc -e` runs the exchange on the connection, notes and result go to /dev/termination-log (or to the file that
 * SKYFABRIC_MEASURE_RESULT names), and what is new is given SKYFABRIC_MEASURE_SETTLE_SECONDS to become known everywhere. The two
 * copies of the payload lie in the working directory. An image without such an `nc` exits 2, and its complaint stands where the result should be.
 */
export const MEASURE_SCRIPT = `
export line='as it was sent, so it comes back'
small='
echo open >&2
echo "$line"
read -r back
if [ "$back" = "$line" ]; then echo whole >&2; elif [ -n "$back" ]; then echo damaged >&2; fi
'
large='
echo open >&2
rounds=0
hundredths=0
while [ "$rounds" -lt "$SKYFABRIC_MEASURE_ROUNDS" ] && [ "$hundredths" -lt 100 ]; do
  read -r up rest </proc/uptime
  from=\${up%.*}\${up#*.}
  cat sent &
  dd bs=1048576 count=1 iflag=fullblock of=back 2>/dev/null
  read -r up rest </proc/uptime
  wait
  if ! cmp -s sent back; then
    [ "$(wc -c <back)" -lt 1048576 ] || echo damaged >&2
    exit 1
  fi
  rounds=$((rounds + 1))
  hundredths=$((hundredths + \${up%.*}\${up#*.} - from))
done
echo "whole $rounds $hundredths" >&2
'
result=\${SKYFABRIC_MEASURE_RESULT:-/dev/termination-log}
finish() {
  echo "$1"
  echo "$1" >"$result"
  exit "$2"
}
call() {
  : >"$result"
  read -r up rest </proc/uptime
  from=\${up%.*}\${up#*.}
  timeout "$1" nc -w "$SKYFABRIC_MEASURE_TIMEOUT_SECONDS" "$SKYFABRIC_MEASURE_HOST" "$SKYFABRIC_MEASURE_PORT" -e sh -c "$2" </dev/null >/dev/null 2>>"$result"
  code=$?
  read -r up rest </proc/uptime
  now=\${up%.*}\${up#*.}
  seen=$(echo $(cat "$result"))
  case $seen in
    *damaged*) reason=damaged ;;
    open*) case $code in 124 | 143) reason=silent ;; *) reason=reset ;; esac ;;
    *'bad address'*) reason=resolve ;;
    *': not found'* | *'invalid option'*) exit 2 ;;
    *) reason=connect ;;
  esac
}
set -f
calls=0
took=0
began=
while [ "$calls" -lt "$SKYFABRIC_MEASURE_CALLS" ]; do
  call "$SKYFABRIC_MEASURE_TIMEOUT_SECONDS" "$small"
  if [ "$seen" = 'open whole' ]; then
    calls=$((calls + 1))
    took=$((took + now - from))
    continue
  fi
  began=\${began:-$from}
  [ "$calls" = 0 ] && [ "$reason" != damaged ] && [ $((now - began)) -lt "\${SKYFABRIC_MEASURE_SETTLE_SECONDS}00" ] ||
    finish "failed payload=small reason=$reason" 1
  sleep 0.2 2>/dev/null || sleep 1
done
seq 1 200000 | dd bs=1048576 count=1 iflag=fullblock of=sent 2>/dev/null
call "$SKYFABRIC_MEASURE_TRANSFER_SECONDS" "$large"
case $seen in
  'open whole '*)
    set -- $seen
    finish "ok calls=$calls calls_ms=\${took}0 rounds=$3 rounds_ms=\${4}0" 0
    ;;
esac
finish "failed payload=large reason=$reason" 1
`.trimStart();
