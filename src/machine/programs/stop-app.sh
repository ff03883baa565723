#!/bin/bash
# Stops the app, for systemd: asks, waits until nothing of it is left, and kills at its time-out what is. Runs as the app's user beside it.
set -euo pipefail
# shellcheck source=machine.sh
source "${LANDFALL_ROOT:-}/usr/local/lib/landfall/machine.sh"
# shellcheck source=stopping.sh
source "$lib/stopping.sh"

leader=${MAINPID:-}

main() {
  # It ended by itself: what it left is killed, as after a crash.
  [[ -n $leader ]] || return 0
  load_settings
  group_of $$
  own_group=$group
  stop_members "${LANDFALL_STOP_SIGNAL#SIG}" "$LANDFALL_STOP_TIMEOUT_MS" || kill_left
}

# All in its control group but this program. Of processes of other users there is nothing to see.
list_members() {
  local folder
  members=
  for folder in /proc/[0-9]*; do
    group_of "${folder#/proc/}"
    [[ $group != "$own_group" || $folder == "/proc/$$" ]] || members="$members ${folder#/proc/}"
  done
}

group_of() {
  while IFS= read -r group; do [[ $group != 0::* ]] || return 0; done 2>/dev/null <"/proc/$1/cgroup" || true
  group=
}

kill_left() {
  local pid who=
  # shellcheck disable=SC2154 # stopping.sh sets it
  for pid in $left; do who="$who${who:+, }$(cat "/proc/$pid/comm" 2>/dev/null) $pid"; done
  log "did not end $(seconds "$LANDFALL_STOP_TIMEOUT_MS") s after $LANDFALL_STOP_SIGNAL and is killed: $who"
  while
    list_members
    [[ -n $members ]]
  do
    # shellcheck disable=SC2086
    kill -KILL $members 2>/dev/null || true
    sleep 0.05
  done
}

main
