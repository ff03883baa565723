#!/bin/bash
# From the journal to CloudWatch Logs: a stream for each unit of this instance, `<instance>/<unit>`. The place in the journal is kept only
# once what stands before it was taken, so that a line may come twice, and none is lost. `ship-logs once` ends when all is shipped.
set -euo pipefail
# shellcheck source=machine.sh
source "${LANDFALL_ROOT:-}/usr/local/lib/landfall/machine.sh"

pause_s=${LANDFALL_SHIP_PAUSE_S:-5}
back_off_max_s=60
lines_max=20000
# What PutLogEvents takes: so many events, so many bytes in all with 26 for each event, and so many in one event.
events_max=10000
bytes_max=1048576
event_bytes_max=262144

folder=$run/logs
cursor_file=$state/log-cursor

main() {
  load_settings
  mkdir -p "$folder" "$state"
  # One at a time: the last words of an instance are shipped by whoever ends it.
  exec 9>"$folder/lock"
  local back_off=1
  while :; do
    if flock 9 && ship; then
      back_off=1
      [[ ${1:-} != once ]] || return 0
      flock -u 9
      sleep "$pause_s"
    else
      flock -u 9
      [[ ${1:-} != once ]] || ((back_off < 16)) || return 1
      log "the log could not be shipped; once more in $back_off s"
      sleep $back_off
      back_off=$((back_off * 2 > back_off_max_s ? back_off_max_s : back_off * 2))
    fi
  done
}

# Ships all there is, some lines at a time.
ship() {
  local -a after=(--boot=all)
  local taken
  while :; do
    [[ ! -s $cursor_file ]] || after=("--after-cursor=$(<"$cursor_file")")
    # A reader that has enough ends journalctl by a signal; that is no failure.
    { read_journal "${after[@]}" || true; } | head -n $lines_max >"$folder/lines"
    taken=$(wc -l <"$folder/lines")
    ((taken > 0)) || return 0
    make_batches "$(instance_id)" <"$folder/lines" >"$folder/batches"
    deliver_all || return
    tail -n 1 "$folder/lines" | jq -er .__CURSOR >"$cursor_file.new"
    mv "$cursor_file.new" "$cursor_file"
    ((taken == lines_max)) || return 0
  done
}

read_journal() { journalctl -q --no-pager -o json --output-fields=MESSAGE,_SYSTEMD_UNIT,UNIT -u 'landfall-*' "$@"; }

# make_batches INSTANCE: journal entries in, one call's input a line out. Of each stream the events are in the order of time.
make_batches() {
  jq -c -n --arg group "$LANDFALL_LOG_GROUP" --arg instance "$1" \
    --argjson events $events_max --argjson bytes $bytes_max --argjson event $event_bytes_max '
    # Bytes that are no UTF-8 come as a list of numbers.
    def text: if type == "array" then map(if . < 128 then . else 65533 end) | implode else . // "" end;
    def unit: (._SYSTEMD_UNIT // "" | if startswith("landfall-") then . else null end) // .UNIT // "landfall-other.service"
      | ltrimstr("landfall-") | sub("\\.[a-z]+$"; "");
    # A character has 4 bytes at most, and one that JSON writes as six counts as it is sent.
    def fitting: ($event - 26) as $most | if utf8bytelength <= $most then . else .[0:($most / 4 | floor)] end;
    [inputs | {stream: unit, timestamp: (.__REALTIME_TIMESTAMP | tonumber / 1000 | floor), message: (.MESSAGE | text | fitting)} | select(.message != "")]
    | group_by(.stream)[]
    | .[0].stream as $stream
    | sort_by(.timestamp)
    | reduce .[] as $one ({done: [], open: [], size: 0};
        ($one.message | utf8bytelength + 26) as $size
        | if (.open | length) > 0 and
            ((.open | length) >= $events or .size + $size > $bytes or $one.timestamp - .open[0].timestamp > 86000000)
          then .done += [.open] | .open = [] | .size = 0 else . end
        | .open += [{timestamp: $one.timestamp, message: $one.message}]
        | .size += $size)
    | (.done + [.open])[]
    | {logGroupName: $group, logStreamName: "\($instance)/\($stream)", logEvents: .}'
}

deliver_all() {
  local batch
  while IFS= read -r batch; do
    # By a file: what programs log can be long, and is not for the list of processes.
    printf '%s\n' "$batch" >"$folder/batch.json"
    deliver || return
  done <"$folder/batches"
}

deliver() {
  local words
  words=$(put) && return 0
  if [[ $words == *ResourceNotFoundException* ]]; then
    "${aws[@]}" logs create-log-stream --log-group-name "$LANDFALL_LOG_GROUP" --log-stream-name "$(jq -r .logStreamName "$folder/batch.json")" >/dev/null &&
      words=$(put) && return 0
  fi
  # What can never be taken would keep back all that comes after it.
  if [[ $words == *InvalidParameterException* ]]; then
    log "CloudWatch Logs refuses some lines, which are left out: $words"
    return 0
  fi
  log "$words"
  return 1
}

put() { "${aws[@]}" logs put-log-events --cli-input-json "file://$folder/batch.json" 2>&1; }

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
