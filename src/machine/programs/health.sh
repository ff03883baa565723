# shellcheck shell=bash disable=SC2154
# Whether what was started works, and goes on working, by the rules of the configuration. To be sourced after machine.sh.

# A process that ended as often as this will end the next time, too.
exits_max=2
# How often it had ended when its check passed first: from then on it has to stay.
exits_before=0

# wait_healthy: 0 once its health check passes; given up at the deadline, and at once when the process ends again and again. Else $run/asked,
# $run/answers and $run/why tell what was asked, what was answered and why it was given up.
wait_healthy() {
  local began now exits answer
  : >"$run/answers"
  describe_check >"$run/asked"
  began=$(now_ms)
  while :; do
    now=$(($(now_ms) - began))
    exits=$(count_exits)
    if ((exits >= exits_max)); then
      give_up "the process ended $exits times, the last time: $(last_end)"
      return
    fi
    if answer=$(ask_health); then
      exits_before=$exits
      ! holds_secret "$run/answer" && return 0
      give_up "the answer to the health check holds the value of a secret"
      return
    fi
    printf '%s\t%s\n' "$now" "$answer" >>"$run/answers"
    if ((now >= LANDFALL_HEALTH_DEADLINE_MS)); then
      give_up "no answer passed within $(seconds "$LANDFALL_HEALTH_DEADLINE_MS") s; the last was: $answer"
      return
    fi
    sleep "$(seconds "$LANDFALL_HEALTH_INTERVAL_MS")"
  done
}

# wait_steady: 0 once it has worked for the whole of its window without a break. Given up at once when the process ends, or fails its check as
# often in a row as the balancer allows; a failed check begins the window anew.
wait_steady() {
  local began now since=0 failed=0 answer pause=500
  ((LANDFALL_STEADY_FOR_MS > 0)) || return 0
  : >"$run/answers"
  log "to stay up for $(seconds "$LANDFALL_STEADY_FOR_MS") s" >"$run/asked"
  if [[ -n ${LANDFALL_PORT:-} ]]; then
    describe_check >>"$run/asked"
    pause=$((LANDFALL_HEALTH_INTERVAL_MS < LANDFALL_STEADY_FOR_MS ? LANDFALL_HEALTH_INTERVAL_MS : LANDFALL_STEADY_FOR_MS))
  fi
  began=$(now_ms)
  while :; do
    now=$(($(now_ms) - began))
    has_not_ended || return
    if [[ -z ${LANDFALL_PORT:-} ]] || answer=$(ask_health); then
      failed=0
      ((now - since < LANDFALL_STEADY_FOR_MS)) || return 0
    else
      since=$now
      failed=$((failed + 1))
      printf '%s\t%s\n' "$now" "$answer" >>"$run/answers"
      if ((failed >= LANDFALL_HEALTH_UNHEALTHY_AFTER || now > LANDFALL_STEADY_FOR_MS + LANDFALL_HEALTH_DEADLINE_MS)); then
        give_up "it passed its health check, and then failed it; the last answer was: $answer"
        return
      fi
    fi
    sleep "$(seconds "$pause")"
  done
}

has_not_ended() {
  (($(count_exits) <= exits_before)) || give_up "the process ended soon after its start: $(last_end)"
}

give_up() {
  log "$1" >"$run/why"
  return 1
}

describe_check() {
  log "GET http://127.0.0.1:$LANDFALL_PORT$LANDFALL_HEALTH_PATH every $(seconds "$LANDFALL_HEALTH_INTERVAL_MS") s for" \
    "$(seconds "$LANDFALL_HEALTH_DEADLINE_MS") s; $LANDFALL_HEALTH_FROM-$LANDFALL_HEALTH_TO within $(seconds "$LANDFALL_HEALTH_TIMEOUT_MS") s passes"
}

# ask_health: asks once; prints the answer for people, and succeeds when it passes. The whole answer is in $run/answer.
ask_health() {
  local status ended=0
  : >"$run/answer"
  status=$(curl -s -o "$run/answer" -w '%{http_code}' --max-time "$(seconds "$LANDFALL_HEALTH_TIMEOUT_MS")" -A landfall-health \
    ${LANDFALL_HEALTH_HOST:+-H "Host: $LANDFALL_HEALTH_HOST"} "http://127.0.0.1:$LANDFALL_PORT$LANDFALL_HEALTH_PATH") || ended=$?
  case $ended in
    0)
      log "$status $(head -c 200 "$run/answer" | tr -d '\0' | hide_secrets | jq -Rs 'rtrimstr("\n")')"
      ((status >= LANDFALL_HEALTH_FROM && status <= LANDFALL_HEALTH_TO))
      return
      ;;
    7) log "connection refused" ;;
    28) log "no whole answer within $(seconds "$LANDFALL_HEALTH_TIMEOUT_MS") s" ;;
    52 | 56) log "connection closed without an answer" ;;
    1) log "an answer that is no HTTP" ;;
    *) log "no answer (curl ended with status $ended)" ;;
  esac
  return 1
}

# How often the app's process has ended since its unit was started.
count_exits() {
  local restarts
  restarts=$(systemctl show landfall-app.service -p NRestarts --value)
  case $(systemctl show landfall-app.service -p ActiveState --value) in
    failed | inactive) echo $((restarts + exits_max)) ;;
    # Between its end and the next start.
    activating) echo $((restarts + 1)) ;;
    *) echo "$restarts" ;;
  esac
}

# How the last process ended, in systemd's words.
last_end() {
  local words
  words=$(journalctl -q --no-pager -o cat -u landfall-app.service -n 100 | grep -o 'Main process exited, .*' | tail -n 1) || true
  log "${words#Main process exited, }"
}
