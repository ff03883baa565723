#!/bin/bash
# Watches the metadata service for the end of this instance. The end of its life in the group is a hook, which waits for us: the app is
# asked, told, given time for what it has in hand, stopped, and the hook is completed. A spot interruption leaves two minutes; then the
# group is told, so that the balancer lets go of this instance at once and the same hook begins.
set -euo pipefail
# shellcheck source=machine.sh
source "${LANDFALL_ROOT:-}/usr/local/lib/landfall/machine.sh"

poll_s=2
ask_s=1
heartbeat_s=30
answer_s=5
# After an interruption notice: the hook may be late, and then what can be done without it is done.
interrupted_s=20
interrupted_drain_ms=80000
# A connection on which nothing has moved for this long holds no request, unless its last word was the client's.
quiet_ms=2000

main() {
  local told_at=0
  load_settings
  while :; do
    if [[ $(ask_metadata autoscaling/target-lifecycle-state || true) == Terminated ]]; then
      log "the group ends this instance"
      end_instance
      return
    fi
    if ((told_at == 0)) && ask_metadata spot/instance-action >/dev/null; then
      log "AWS takes this spot instance back"
      told_at=$(now_ms)
      LANDFALL_DRAIN_TIMEOUT_MS=$((LANDFALL_DRAIN_TIMEOUT_MS < interrupted_drain_ms ? LANDFALL_DRAIN_TIMEOUT_MS : interrupted_drain_ms))
      "${aws[@]}" autoscaling set-instance-health --instance-id "$(instance_id)" --health-status Unhealthy --no-should-respect-grace-period ||
        log "the group could not be told"
    fi
    if ((told_at > 0)) && (($(now_ms) - told_at > interrupted_s * 1000)); then
      end_instance
      return
    fi
    sleep $poll_s
  done
}

end_instance() {
  local group beat
  group=$(ask_metadata tags/instance/aws:autoscaling:groupName)
  keep_alive "$group" &
  beat=$!
  drain
  "$lib/ship-logs" once || log "the last log lines could not be shipped"
  kill "$beat" 2>/dev/null || true
  "${aws[@]}" autoscaling complete-lifecycle-action --auto-scaling-group-name "$group" --lifecycle-hook-name drain \
    --instance-id "$(instance_id)" --lifecycle-action-result CONTINUE || log "the hook could not be completed; the group goes on by its own clock"
}

# While the app has not let go, the hook's clock begins anew every so often.
keep_alive() {
  while sleep $heartbeat_s; do
    "${aws[@]}" autoscaling record-lifecycle-action-heartbeat --auto-scaling-group-name "$1" --lifecycle-hook-name drain \
      --instance-id "$(instance_id)" || true
  done
}

drain() {
  [[ -z ${LANDFALL_SCHEDULE:-} ]] || systemctl stop landfall-job.timer || true
  if [[ -n ${LANDFALL_PORT:-} ]]; then
    ask_until_ready
    tell_to_drain
    wait_for_requests
  fi
  # The unit has the signal and the time budget. A job in hand is finished, or ended, by the same.
  systemctl stop landfall-app.service || true
  log "the app has stopped"
}

# GET until it answers 200; whatever it says at the time-out, the instance ends.
ask_until_ready() {
  local answer last="" until
  [[ -n ${LANDFALL_DRAIN_ASK:-} ]] || return 0
  until=$(($(now_ms) + LANDFALL_DRAIN_TIMEOUT_MS))
  while :; do
    answer=$(curl -s -o "$run/drain-answer" -w '%{http_code}' --max-time $answer_s "$(app_url "$LANDFALL_DRAIN_ASK")") || true
    [[ $answer != 200 ]] || break
    if [[ $answer != "$last" ]]; then log "not yet: $answer $(head -c 200 "$run/drain-answer" | tr -d '\0' | hide_secrets)"; fi
    last=$answer
    if (($(now_ms) >= until)); then
      log "still not: its time is over"
      return 0
    fi
    sleep $ask_s
  done
  log "the app says it may be stopped"
}

# Once. An app that does not answer is drained all the same.
tell_to_drain() {
  [[ -z ${LANDFALL_DRAIN_START:-} ]] || curl -s -o /dev/null --max-time $answer_s -X POST "$(app_url "$LANDFALL_DRAIN_START")" || true
}

app_url() { echo "http://127.0.0.1:$LANDFALL_PORT$1"; }

wait_for_requests() {
  local until left
  until=$(($(now_ms) + LANDFALL_DRAIN_TIMEOUT_MS))
  while left=$(count_requests) && ((left > 0)); do
    if (($(now_ms) >= until)); then
      log "$left requests are still in hand: their time is over"
      return 0
    fi
    sleep $ask_s
  done
}

# The balancer keeps connections that carry nothing. A request is in hand where bytes moved just now, or where the client spoke last.
count_requests() {
  ss -Htin state established "( sport = :${LANDFALL_PROXY_PORT:-$LANDFALL_PORT} )" | awk -v quiet=$quiet_ms '
    function field(name,   at) { return match($0, name ":[0-9]+") ? substr($0, RSTART + length(name) + 1, RLENGTH - length(name) - 1) + 0 : 0 }
    /lastsnd|lastrcv|rto:/ {
      sent = field("lastsnd"); received = field("lastrcv")
      if (field("bytes_received") > 0 && (sent < quiet || received < quiet || received < sent)) count++
    }
    END { print count + 0 }'
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
