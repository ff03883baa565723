#!/bin/bash
# The start of an instance. `boot`, called by the user data at the first start, keeps the settings and starts landfall-boot.service, which
# runs `boot start`: at this start and at each one after it. That makes the release, the variables, the app and its proxy, lets the group take the
# instance into service, which is when the balancer learns of it, and tells CloudFormation once how it went.
set -euo pipefail
umask 022
# shellcheck source=machine.sh
source "${LANDFALL_ROOT:-}/usr/local/lib/landfall/machine.sh"
# shellcheck source=release.sh
source "$lib/release.sh"
# shellcheck source=environment.sh
source "$lib/environment.sh"
# shellcheck source=databases.sh
source "$lib/databases.sh"
# shellcheck source=health.sh
source "$lib/health.sh"

units=$root/run/systemd/system
# The group takes no longer to hold an instance that runs, and then to take it into service.
service_ms=120000
look_s=1
step=begin

main() {
  if [[ ${1:-} != start ]]; then
    keep_settings
    exec systemctl start landfall-boot.service
  fi
  install -d -m 711 "$run"
  rm -f "$run"/{why,asked,answers,answer,command}
  load_settings
  # From here on logs reach whoever waits for this instance, whatever happens.
  systemctl start landfall-logs.service landfall-drain.service landfall-metrics.timer
  if come_up; then
    signal SUCCESS
  else
    fail
  fi
}

# Not `set -e`, which means nothing in a condition: each step says for itself that it failed.
come_up() {
  perform release place_release &&
    perform secrets write_environment &&
    perform databases make_readers &&
    perform lease take_lease &&
    perform start start_app &&
    perform health wait_up &&
    perform proxy start_proxy &&
    perform service enter_service &&
    perform steady wait_to_count &&
    perform balancer wait_for_balancer
}

perform() {
  step=$1
  shift
  local began status=0
  began=$(now_ms)
  # What a step complains about is the reason, if it fails.
  "$@" 2>"$run/complaint" || status=$?
  cat "$run/complaint" >&2
  ((status == 0)) || return "$status"
  log "$step took $(seconds $(($(now_ms) - began))) s"
}

# A release phase does so before; a release without one has only its instances. What has served once asks no database to start again.
make_readers() { has_told SUCCESS || establish_readers; }

# Without what the unit brings back when it has been started again by itself.
take_lease() {
  [[ -n ${LANDFALL_LEASE_KEY:-} ]] || return 0
  systemctl start --job-mode=ignore-requirements landfall-lease.service 2>/dev/null && return
  journalctl -q --no-pager -o cat -u landfall-lease.service _COMM=lease-keeper -n 1 >&2
  return 1
}

start_app() {
  log "$LANDFALL_COMMAND" >"$run/command"
  install -d -o app -g app -m 700 "$state/data"
  write_drop_ins
  systemctl daemon-reload
  if [[ -n ${LANDFALL_SCHEDULE:-} ]]; then
    systemctl start landfall-job.timer
  else
    systemctl reset-failed landfall-app.service 2>/dev/null || true
    systemctl restart landfall-app.service
  fi
}

# What the units of the image leave open, because it is the configuration's.
write_drop_ins() {
  local line bound="" started=landfall-app.service
  [[ -z ${LANDFALL_SCHEDULE:-} ]] || started=landfall-job.timer
  [[ -z ${LANDFALL_LEASE_KEY:-} ]] || bound=$'[Unit]\nBindsTo=landfall-lease.service\nAfter=landfall-lease.service'
  mkdir -p "$units/landfall-app.service.d" "$units/landfall-job.timer.d" "$units/landfall-lease.service.d"
  printf '%s\n' "[Unit]" "Wants=$started" >"$units/landfall-lease.service.d/settings.conf"
  {
    echo "$bound"
    echo "[Service]"
    echo "KillSignal=$LANDFALL_STOP_SIGNAL"
    # It keeps to its time itself; this is for when it does not.
    echo "TimeoutStopSec=$((LANDFALL_STOP_TIMEOUT_MS + 10000))ms"
    # Only what listens on such a port needs the right to.
    ((${LANDFALL_PORT:-1024} >= 1024)) || printf '%s\n' "AmbientCapabilities=CAP_NET_BIND_SERVICE" "CapabilityBoundingSet=CAP_NET_BIND_SERVICE"
    # The timer starts a job again; systemd never runs one unit twice at once.
    [[ -z ${LANDFALL_SCHEDULE:-} ]] || printf '%s\n' "Restart=no" "RuntimeMaxSec=${LANDFALL_JOB_TIMEOUT_MS}ms"
  } >"$units/landfall-app.service.d/settings.conf"
  {
    echo "$bound"
    echo "[Timer]"
    while IFS= read -r line; do [[ -z $line ]] || echo "OnCalendar=$line"; done <<<"${LANDFALL_SCHEDULE:-}"
  } >"$units/landfall-job.timer.d/settings.conf"
}

wait_up() { [[ -z ${LANDFALL_PORT:-} ]] || wait_healthy; }

# The group gives an instance to the balancer once its hook has ended: nothing that does not serve yet is registered, checked or counted. The hook
# may begin after the app is up, and it is gone for good when the instance has been in service.
enter_service() {
  local until stands
  ! has_told SUCCESS || return 0
  until=$(($(now_ms) + service_ms))
  while stands=$(lifecycle_state) && [[ $stands != InService ]]; do
    [[ $stands != Pending:Wait ]] || lifecycle_action complete-lifecycle-action boot --lifecycle-action-result CONTINUE || true
    if [[ $stands == Terminating* ]] || (($(now_ms) >= until)); then
      give_up "its group does not take it into service: it is $stands"
      return
    fi
    sleep $look_s
  done
}

# Once CloudFormation has been told, it ends instances that this one replaces: by then the balancer has to send it requests.
wait_for_balancer() {
  local began now answer
  [[ -n ${LANDFALL_TARGET_GROUP:-} ]] || return 0
  ! has_told SUCCESS || return 0
  : >"$run/answers"
  log "the balancer, which has to find it healthy within $(seconds "$LANDFALL_ATTACH_MS") s" >"$run/asked"
  began=$(now_ms)
  while :; do
    now=$(($(now_ms) - began))
    answer=$(ask_balancer) || answer="no answer"
    [[ $answer != healthy* ]] || return 0
    printf '%s\t%s\n' "$now" "$answer" >>"$run/answers"
    has_not_ended || return
    if ((now >= LANDFALL_ATTACH_MS)); then
      give_up "it passes its health check, but not the balancer's, which says: $answer"
      return
    fi
    sleep $look_s
  done
}

# "unhealthy Target.Timeout Request timed out": the state, and why.
ask_balancer() {
  "${aws[@]}" elbv2 describe-target-health --target-group-arn "$LANDFALL_TARGET_GROUP" --targets "Id=$(instance_id)" \
    --query 'TargetHealthDescriptions[0].TargetHealth.[State,Reason,Description]' --output text | tr '\t' ' '
}

# It gets requests meanwhile. CloudFormation replaces no more instances until this one has told it that it counts.
wait_to_count() { [[ -n ${LANDFALL_SCHEDULE:-} ]] || wait_steady; }

start_proxy() {
  [[ -n ${LANDFALL_PROXY_PORT:-} ]] || return 0
  write_proxy && systemctl restart landfall-proxy.service && wait_for_proxy
}

# Its process runs before it listens. Its own health check, which comes from nobody else, passes it as the balancer's does.
wait_for_proxy() {
  local tries
  for ((tries = 0; tries < 100; tries++)); do
    ! curl -s -o /dev/null --max-time 5 "http://127.0.0.1:$LANDFALL_PROXY_PORT$LANDFALL_HEALTH_PATH" || return 0
    sleep 0.1
  done
  log "the proxy does not answer: $(journalctl -q --no-pager -o cat -u landfall-proxy.service -n 3)" >&2
  return 1
}

# The proxy's rules and the hashes of its passwords. `LANDFALL_PROXY_PASSWORDS` has lines `NUMBER SECRET USER`.
write_proxy() {
  local number secret user hash
  rm -rf "$run/proxy"
  install -d -g www-data -m 750 "$run/proxy"
  printf '%s\n' "$LANDFALL_PROXY_RULES" >"$run/proxy/rules.conf"
  while read -r number secret user; do
    [[ -n $number ]] || continue
    hash=$(secret_parameter "$LANDFALL_SECRETS_PATH$secret" | jq -er . | openssl passwd -6 -stdin) || return
    (umask 027 && printf '%s:%s\n' "$user" "$hash" >"$run/proxy/$number.passwords")
    chgrp www-data "$run/proxy/$number.passwords"
  done <<<"${LANDFALL_PROXY_PASSWORDS:-}"
  rm -rf "$run/making"
}

# Leaves the report where `deploy` reads it and fails the signal at once. The unit fails, and is tried again later: what was missing may be back.
fail() {
  [[ -s $run/why ]] || tail -n 5 "$run/complaint" | hide_secrets >"$run/why" || true
  log "step \"$step\" failed: $(<"$run/why")"
  write_report >"$run/report.json" || true
  stop_app
  "${aws[@]}" s3 cp --only-show-errors --content-type application/json "$run/report.json" \
    "s3://$LANDFALL_ARTIFACTS/reports/$LANDFALL_STACK/$(instance_id).json" || log "the report could not be written"
  signal FAILURE
  exit 1
}

write_report() {
  # Files, not arguments: none of this is for other processes to read.
  jq -n --arg step "$step" --arg service "$LANDFALL_SERVICE" --arg release "$LANDFALL_RELEASE" --arg instance "$(instance_id)" \
    --slurpfile tail <(last_lines | hide_secrets | json_lines) --rawfile why "$run/why" \
    --rawfile asked <(cat "$run/asked" 2>/dev/null) --slurpfile answers <(group_answers | json_lines) \
    '{ok: false, step: $step, code: 1, tail: $tail[0], why: ($why | rtrimstr("\n")), asked: ($asked | rtrimstr("\n")),
      answered: $answers[0], service: $service, release: $release, instance: $instance}'
}

last_lines() { journalctl -q --no-pager -o cat -u landfall-app.service -n 60; }

# "3 times from 0.1 s to 2.2 s: connection refused": equal answers in a row are told once.
group_answers() {
  [[ -s $run/answers ]] || return 0
  awk -F '\t' '
    function tell() { if (count) printf "%d %s from %.1f s to %.1f s: %s\n", count, count == 1 ? "time" : "times", first / 1000, last / 1000, said }
    $2 != said { tell(); count = 0; first = $1; said = $2 }
    { count++; last = $1 }
    END { tell() }' "$run/answers"
}

has_told() { [[ $(cat "$state/told-$(instance_id)" 2>/dev/null) == "$1" ]]; }

# Once in the life of an instance. Outside a change of its stack nobody waits for the signal, and CloudFormation refuses it.
signal() {
  local told words
  told=$state/told-$(instance_id)
  [[ ! -e $told ]] || return 0
  if words=$("${aws[@]}" cloudformation signal-resource --stack-name "$LANDFALL_STACK" --logical-resource-id "$LANDFALL_GROUP" \
    --unique-id "$(instance_id)" --status "$1" 2>&1) || [[ $words == *ValidationError* ]]; then
    log "told CloudFormation: $1${words:+ ($words)}"
    mkdir -p "$state"
    echo "$1" >"$told"
  else
    log "CloudFormation could not be told: $words"
    return 1
  fi
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
