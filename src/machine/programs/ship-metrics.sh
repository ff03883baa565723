#!/bin/bash
# Once a minute: memory, disk and load of this machine, which EC2 does not see from outside. They are the service's: an instance of its own
# would be a metric of its own, and paid for.
set -euo pipefail
# shellcheck source=machine.sh
source "${LANDFALL_ROOT:-}/usr/local/lib/landfall/machine.sh"

main() {
  load_settings
  mkdir -p "$run"
  measure >"$run/metrics.json"
  "${aws[@]}" cloudwatch put-metric-data --namespace "$LANDFALL_METRICS" --metric-data "file://$run/metrics.json"
}

measure() {
  local memory disk load
  memory=$(awk '$1 == "MemTotal:" { total = $2 } $1 == "MemAvailable:" { free = $2 } END { printf "%.1f", 100 * (total - free) / total }' /proc/meminfo)
  disk=$(df --output=pcent / | tail -n 1 | tr -dc 0-9)
  load=$(awk -v cores="$(nproc)" '{ printf "%.2f", $1 / cores }' /proc/loadavg)
  jq -cn --arg service "$LANDFALL_SERVICE" --argjson memory "$memory" --argjson disk "$disk" --argjson load "$load" '
    def metric($name; $value; $unit): {MetricName: $name, Dimensions: [{Name: "Service", Value: $service}], Value: $value, Unit: $unit};
    [metric("MemoryUsed"; $memory; "Percent"), metric("DiskUsed"; $disk; "Percent"), metric("LoadPerCore"; $load; "None")]'
}

if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
