#!/bin/bash
# Becomes the app: its variables from memory, its folder, its command. Runs as the app's user. The values of variables are never arguments.
set -euo pipefail
# Bash adds these by itself, and systemd what describes its own call; none of it is the app's.
unset OLDPWD SHLVL _ INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH MEMORY_PRESSURE_WRITE
cd -P "${LANDFALL_ROOT:-}/srv/landfall/current"
# Programs of its dependencies come first, unless its own variables say otherwise.
export PATH="$PWD/.venv/bin:$PWD/node_modules/.bin:$PATH"
while IFS= read -r -d '' variable; do
  export "${variable?}"
done <"${LANDFALL_ROOT:-}/run/landfall/environment"
# With arguments it becomes those instead: a command run by hand.
(($# == 0)) || exec "$@"
exec /bin/sh -c "$(<"${LANDFALL_ROOT:-}/run/landfall/command")"
