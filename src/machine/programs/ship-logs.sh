#!/bin/bash
# Becomes the shipper of this instance's log, which is told by variables where to.
set -euo pipefail
# shellcheck source=machine.sh
source "${LANDFALL_ROOT:-}/usr/local/lib/landfall/machine.sh"
load_settings
mkdir -p "$run" "$state"
LANDFALL_INSTANCE=$(instance_id)
export LANDFALL_LOG_GROUP LANDFALL_INSTANCE LANDFALL_STATE=$state
exec "$lib/log-shipper"
