# shellcheck shell=sh disable=SC2154,SC2317
# The first program of a container, after its init: runs the command, and stops it by the rule of stopping.sh, which stands before this.
# Its arguments: SIGNAL, MILLISECONDS to stop, SECONDS to run (0: for ever), COMMAND.

# All but the init, this shell, and what a person runs by hand in the container, whose first process has its parent outside of it.
list_members() {
  members=''
  for folder in /proc/[0-9]*; do
    pid=${folder#/proc/}
    observe "$pid" || continue
    case $pid:$parent in 1:* | $$:* | *:0) continue ;; esac
    if [ "$parent" != $$ ] || [ "$pid" = "$leader" ]; then members="$members $pid"; fi
  done
}

stopping=''
trap 'stopping=asked' "$1"
/bin/sh -c "$4" &
leader=$!
if [ "$3" != 0 ]; then
  read_clock
  until=$((now + $3 * 1000))
  while [ -z "$stopping" ] && kill -0 "$leader" 2>/dev/null; do
    read_clock
    if [ "$now" -ge "$until" ]; then stopping=late; fi
    [ -n "$stopping" ] || { sleep 1 & wait $!; }
  done
fi
if [ -z "$stopping" ]; then
  wait "$leader"
  code=$?
fi
# The wait before may have been cut short by the signal.
if [ -n "$stopping" ]; then
  stop_members "$1" "$2" || exit 137
  [ "$stopping" = asked ] || exit 124
  wait "$leader"
  code=$?
fi
exit "$code"
