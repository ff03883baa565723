# shellcheck shell=bash disable=SC2154
# Whether what was started works, by the rules of the configuration: asked again and again until the deadline, and given up at once when
# the process ends again and again. To be sourced after machine.sh.

# A process that ended as often as this will end the next time, too.
exits_max=2
# A service that takes no requests counts as working when it has run for this long.
settled_ms=5000

# wait_healthy: 0 when it works. Else $run/asked, $run/answers and $run/why tell what was asked, what was answered and why it was given up.
wait_healthy() {
  local began now exits exits_before=0 steady_ms=0 answer
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
    if [[ -n ${LANDFALL_PORT:-} ]]; then
      if answer=$(ask_health); then
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
    else
      ((exits == exits_before)) || steady_ms=$now
      exits_before=$exits
      ((now - steady_ms < settled_ms)) || return 0
      sleep 0.5
    fi
  done
}

give_up() {
  log "$1" >"$run/why"
  return 1
}

describe_check() {
  if [[ -z ${LANDFALL_PORT:-} ]]; then
    log "to run for $(seconds $settled_ms) s without ending"
  else
    log "GET http://127.0.0.1:$LANDFALL_PORT$LANDFALL_HEALTH_PATH every $(seconds "$LANDFALL_HEALTH_INTERVAL_MS") s for" \
      "$(seconds "$LANDFALL_HEALTH_DEADLINE_MS") s; $LANDFALL_HEALTH_FROM-$LANDFALL_HEALTH_TO within $(seconds "$LANDFALL_HEALTH_TIMEOUT_MS") s passes"
  fi
}

# ask_health: asks once; prints the answer for people, and succeeds when it passes. The whole answer is in $run/answer.
ask_health() {
  local status ended=0
  : >"$run/answer"
  status=$(curl -s -o "$run/answer" -w '%{http_code}' --max-time "$(seconds "$LANDFALL_HEALTH_TIMEOUT_MS")" -A landfall-health \
    "http://127.0.0.1:$LANDFALL_PORT$LANDFALL_HEALTH_PATH") || ended=$?
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
    *) echo "$restarts" ;;
  esac
}

# How the last process ended, in systemd's words.
last_end() {
  local words
  words=$(journalctl -q --no-pager -o cat -u landfall-app.service -n 100 | grep -o 'Main process exited, .*' | tail -n 1) || true
  log "${words#Main process exited, }"
}
