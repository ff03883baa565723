#!/bin/bash
# Becomes the keeper of this service's lease, which is told by variables whose and which.
set -euo pipefail
# shellcheck source=machine.sh
source "${LANDFALL_ROOT:-}/usr/local/lib/landfall/machine.sh"
load_settings
mkdir -p "$run"
LANDFALL_INSTANCE=$(instance_id)
export LANDFALL_ARTIFACTS LANDFALL_INSTANCE LANDFALL_LEASE_KEY LANDFALL_LEASE_TERM_MS LANDFALL_LEASE_WAIT_MS
exec "$lib/lease-keeper"
