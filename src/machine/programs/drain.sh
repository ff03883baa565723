#!/bin/bash
# Watches the metadata service for the end of this instance. The balancer lets go of it first, and its nodes send requests for some time after
# the metadata service has told of the end. Then a hook begins, which waits for us: the app is asked, told, given time for what it has in hand,
# stopped, and the hook is completed. A spot interruption leaves two minutes: the group is told, so that the balancer lets go at once, and
# whatever has not come by then is not waited for.
set -euo pipefail
# shellcheck source=machine.sh
source "${LANDFALL_ROOT:-}/usr/local/lib/landfall/machine.sh"

poll_s=2
ask_s=1
# AWS takes only so many questions of all instances together.
look_s=5
heartbeat_s=30
answer_s=5
# So much after the balancer has let go the hook has begun, or AWS does not say so. It takes no more than an hour.
hook_ms=60000
letting_go_ms_max=3600000
# Nodes of the balancer were seen to send for ten seconds after it had begun to let go.
let_go_ms=15000
# Between the notice of an interruption and the end; of that for the last log lines; and what is left for serving, whatever the app's stop takes.
interrupted_ms=120000
ship_ms=15000
serve_ms=20000
# A connection on which nothing has moved for this long holds no request, unless its last word was the client's.
quiet_ms=2000
# When the app has to be told to stop; 0 where AWS gives us the time that we need.
stop_at=0

main() {
  load_settings
  while :; do
    if [[ $(ask_metadata autoscaling/target-lifecycle-state || true) == Terminated ]]; then
      log "the group ends this instance"
      end_instance
      return
    fi
    if ((stop_at == 0)) && ask_metadata spot/instance-action >/dev/null; then
      log "AWS takes this spot instance back"
      hurry
      "${aws[@]}" autoscaling set-instance-health --instance-id "$(instance_id)" --health-status Unhealthy --no-should-respect-grace-period ||
        log "the group could not be told"
    fi
    # Until then it serves: nobody has taken it from the balancer.
    if ((stop_at > 0 && $(now_ms) >= stop_at)); then
      end_instance
      return
    fi
    sleep $poll_s
  done
}

hurry() {
  local left=$((interrupted_ms - ship_ms - LANDFALL_STOP_TIMEOUT_MS))
  stop_at=$(($(now_ms) + (left > serve_ms ? left : serve_ms)))
}

# until_after MS: when so much time is over, or when the app has to stop.
until_after() {
  local until=$(($(now_ms) + $1))
  echo $((stop_at > 0 && stop_at < until ? stop_at : until))
}

end_instance() {
  local beat
  wait_for_hook
  keep_alive &
  beat=$!
  drain
  ship_rest
  kill "$beat" 2>/dev/null || true
  let_group_go_on
}

# Before it begins, the balancer may still send requests, and AWS refuses to hear of it. After an interruption it may come too late: then the
# app has only to see the end of what the balancer sends.
wait_for_hook() {
  local began until letting_go_ms=0
  began=$(now_ms)
  [[ -z ${LANDFALL_PORT:-} ]] || letting_go_ms=$((LANDFALL_DRAIN_TIMEOUT_MS < letting_go_ms_max ? LANDFALL_DRAIN_TIMEOUT_MS : letting_go_ms_max))
  until=$(until_after $((letting_go_ms + hook_ms)))
  while ((stop_at == 0 && $(now_ms) < until)) && is_before_hook; do sleep $look_s; done
  [[ -n ${LANDFALL_PORT:-} ]] || return 0
  # The balancer may have been given less time than its nodes take.
  until=$(until_after $((let_go_ms - $(now_ms) + began)))
  while (($(now_ms) < until)); do sleep $ask_s; done
}

is_before_hook() {
  case $(lifecycle_state) in
    InService | Terminating | unknown) ;;
    *) return 1 ;;
  esac
}

# Repeated until AWS takes it: it may begin only now. When the group has gone on by its own clock there is nothing to complete.
let_group_go_on() {
  local until words
  until=$(($(now_ms) + hook_ms + LANDFALL_DRAIN_TIMEOUT_MS + LANDFALL_STOP_TIMEOUT_MS))
  until words=$(lifecycle_action complete-lifecycle-action drain --lifecycle-action-result CONTINUE 2>&1); do
    case $(lifecycle_state) in
      InService | Terminating | Terminating:Wait | unknown) ;;
      *)
        log "the group goes on by its own clock"
        return 0
        ;;
    esac
    if (($(now_ms) >= until)); then
      log "the hook could not be completed; the group goes on by its own clock: $words"
      return 0
    fi
    sleep $look_s
  done
}

# Told to end, the shipper ships all there is, and fails when something is left. Then it goes on: what is said from here on is shipped too.
ship_rest() {
  systemctl start landfall-logs.service || true
  systemctl stop landfall-logs.service || true
  [[ $(systemctl show --value --property Result landfall-logs.service) == success ]] || log "the last log lines could not be shipped"
  systemctl start --no-block landfall-logs.service || true
}

# While the app has not let go, the hook's clock begins anew every so often.
keep_alive() {
  while sleep $heartbeat_s; do
    lifecycle_action record-lifecycle-action-heartbeat drain || true
  done
}

drain() {
  # One that could not start yet would try again.
  systemctl stop landfall-boot.service || true
  if [[ -n ${LANDFALL_PORT:-} ]]; then
    ask_until_ready
    tell_to_drain
    wait_for_requests
  fi
  # The unit has the signal and the time budget. A job in hand is finished, or ended, by the same.
  stop_app
  log "the app has stopped"
}

# GET until it answers 200; whatever it says at the time-out, the instance ends.
ask_until_ready() {
  local answer last="" until
  [[ -n ${LANDFALL_DRAIN_ASK:-} ]] || return 0
  until=$(until_after "$LANDFALL_DRAIN_TIMEOUT_MS")
  while :; do
    answer=$(ask_app "$LANDFALL_DRAIN_ASK" -o "$run/drain-answer" -w '%{http_code}') || true
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
  [[ -z ${LANDFALL_DRAIN_START:-} ]] || ask_app "$LANDFALL_DRAIN_START" -o /dev/null -X POST || true
}

# ask_app PATH OPTION…: by the name that the app answers to.
ask_app() {
  local path=$1
  shift
  curl -s --max-time $answer_s ${LANDFALL_HEALTH_HOST:+-H "Host: $LANDFALL_HEALTH_HOST"} "$@" "http://127.0.0.1:$LANDFALL_PORT$path"
}

wait_for_requests() {
  local until left
  until=$(until_after "$LANDFALL_DRAIN_TIMEOUT_MS")
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
