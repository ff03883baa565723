#!/bin/bash
# What a machine of its own does for minutes: `bake` makes an image of it, `build` builds a release, `phase` runs a release phase. It
# reports into the artifact bucket and switches itself off. A bake begins on a bare Debian, so nothing of ours is needed until it is there.
set -uo pipefail
umask 022
export HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive
export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=6 AWS_PAGER='' AWS_DEFAULT_REGION=$LANDFALL_REGION AWS_REGION=$LANDFALL_REGION
export LANDFALL_REGION LANDFALL_STEP_FILE=/run/landfall-task/step
work=/run/landfall-task
reports=s3://$LANDFALL_ARTIFACTS/reports/$LANDFALL_TASK
lib=/usr/local/lib/landfall
disk=/var/tmp/landfall-task

main() {
  # First of all, so that this machine ends whatever else happens to it.
  shutdown -P "+$LANDFALL_TASK_MINUTES" "task $LANDFALL_TASK"
  install -d -m 700 "$work" "$disk"
  : >"$work/output"
  echo begin >"$LANDFALL_STEP_FILE"
  upload_while_it_grows &
  local uploader=$! code
  # A subshell of its own: in it, and only in it, whatever fails ends the task.
  (
    set -e
    "$LANDFALL_TASK_KIND"
  ) >"$work/output" 2>&1 </dev/null
  code=$?
  kill "$uploader" 2>/dev/null
  wait "$uploader" 2>/dev/null
  report "$code"
  rm -rf "$work" "$disk"
  if [[ $LANDFALL_TASK_KIND == bake ]]; then rm -rf /var/lib/cloud/instance /var/lib/cloud/instances /var/lib/cloud/data /var/log/cloud-init*; fi
  systemctl poweroff
}

step() {
  echo "$1" >"$LANDFALL_STEP_FILE"
  echo "== $1"
}

upload_while_it_grows() {
  local size=0 now
  while sleep 2; do
    now=$(stat -c %s "$work/output")
    if [[ $now != "$size" ]] && put_report output text/plain; then size=$now; fi
  done
}

put_report() {
  local name=output.txt
  [[ $1 == output ]] || name=$1
  # A copy, because the output may grow while its length is already said.
  cp "$work/$1" "$work/upload-$1" && aws s3 cp --only-show-errors --content-type "$2" "$work/upload-$1" "$reports/$name"
}

report() {
  put_report output text/plain
  local tail
  tail=$(tail -n 40 "$work/output" | tr -d '\0' | jq -R . | jq -s .)
  jq -n --argjson code "$1" --rawfile step "$LANDFALL_STEP_FILE" --argjson tail "$tail" --rawfile sha256 <(cat "$work/sha256" 2>/dev/null) \
    '{ok: ($code == 0), step: ($step | rtrimstr("\n")), code: $code, tail: $tail} + if $sha256 == "" then {} else {sha256: ($sha256 | rtrimstr("\n"))} end' \
    >"$work/result.json"
  put_report result.json application/json
}

# fetch KEY SHA256 FILE
fetch() {
  aws s3 cp --only-show-errors "s3://$LANDFALL_ARTIFACTS/$1" "$3"
  if [[ $(sha256sum <"$3") != "$2  -" ]]; then
    echo "s3://$LANDFALL_ARTIFACTS/$1 does not have the digest $2: it is not used"
    return 1
  fi
}

# Debian looks for updates by itself, also on a machine that has just started, and apt does not wait for the lock on its lists. What runs comes to its
# end, and no more begins on this machine. Those that are started from its image look again.
have_apt_alone() {
  systemctl stop apt-daily.timer apt-daily-upgrade.timer || true
  while [[ $(systemctl show --property ActiveState --value apt-daily.service apt-daily-upgrade.service) == *activating* ]]; do sleep 1; done
}

bake() {
  step "the tools of this task"
  have_apt_alone
  apt-get -qq update
  apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=300 install awscli jq ca-certificates
  step "the recipe's files"
  fetch "$LANDFALL_ARCHIVE_KEY" "$LANDFALL_ARCHIVE_SHA256" "$disk/recipe.tar.gz"
  mkdir -p "$disk/recipe"
  tar -xzf "$disk/recipe.tar.gz" -C "$disk/recipe" --no-same-owner
  if [[ -n ${LANDFALL_RELEASE_KEY:-} ]]; then
    step "the release"
    mkdir -p /srv/landfall/releases
    fetch "$LANDFALL_RELEASE_KEY" "$LANDFALL_RELEASE_SHA256" "/srv/landfall/releases/$LANDFALL_RELEASE.tar.gz"
  fi
  # It names its steps itself.
  bash "$disk/recipe/bake.sh"
}

# The release as it is at this moment, in the place where it will be; without what the image gives and the build has left as it was.
build() {
  local folder=/srv/landfall/releases/$LANDFALL_RELEASE index name
  local -a variables
  step "the source"
  fetch "$LANDFALL_ARCHIVE_KEY" "$LANDFALL_ARCHIVE_SHA256" "$disk/source.tar.gz"
  install -d -m 755 "${folder%/*}" "$folder"
  tar -xzf "$disk/source.tar.gz" -C "$folder" --no-same-owner
  root=''
  # shellcheck source=machine.sh
  source "$lib/machine.sh"
  # shellcheck source=release.sh
  source "$lib/release.sh"
  place_image copy_entry "$folder" "$image" ""
  chown -Rh app:app "$folder"
  # Longer than the clock of a file system takes to go on.
  touch "$disk/copied"
  sleep 0.1
  mapfile -d '' variables < <(jq -j 'to_entries[] | "\(.key)=\(.value)\u0000"' <<<"${LANDFALL_VARIABLES:-{\}}")
  for ((index = 1; index <= LANDFALL_STEPS; index++)); do
    name=LANDFALL_STEP_$index
    step "${!name}"
    (cd "$folder" && as_app env -i "PATH=$folder/.venv/bin:$folder/node_modules/.bin:/usr/local/bin:/usr/bin:/bin" HOME=/var/lib/landfall/home \
      LANG=C.UTF-8 "${variables[@]}" sh -c "umask 022; ${!name}")
  done
  step "packing the release"
  keep_changed "$folder" "$disk/copied"
  (cd "$folder" && find . -mindepth 1 ! -type d -printf '%P\0' | LC_ALL=C sort -z) >"$disk/files"
  tar -C "$folder" --null --no-recursion --verbatim-files-from -T "$disk/files" --format=gnu --mtime=@0 --owner=0 --group=0 --numeric-owner \
    --mode='u+rw,go+r,go-w,a+X' -c | gzip -n9 >"$disk/release.tar.gz"
  sha256sum <"$disk/release.tar.gz" | cut -d' ' -f1 >"$work/sha256"
  aws s3 cp --only-show-errors "$disk/release.tar.gz" "s3://$LANDFALL_ARTIFACTS/releases/$LANDFALL_RELEASE/$(<"$work/sha256").tar.gz"
}

as_app() { setpriv --reuid=app --regid=app --init-groups --no-new-privs "$@"; }

phase() {
  root=''
  # shellcheck source=machine.sh
  source "$lib/machine.sh"
  # shellcheck source=release.sh
  source "$lib/release.sh"
  # shellcheck source=environment.sh
  source "$lib/environment.sh"
  # shellcheck source=databases.sh
  source "$lib/databases.sh"
  install -d -m 711 "$run"
  step "the release"
  place_release
  step "the variables"
  write_environment
  install -d -o app -g app -m 700 "$state/data"
  step "the databases"
  establish_databases
  step "the lock"
  take_lock
  step "$LANDFALL_COMMAND"
  printf '%s\n' "$LANDFALL_COMMAND" >"$run/command"
  # What it prints may hold what it was given.
  set -o pipefail
  # Clients look for what is theirs at home, and root's is not theirs.
  as_app env HOME=/var/lib/landfall/home timeout --kill-after=10 "$(seconds "$LANDFALL_PHASE_TIMEOUT_MS")" "$lib/run-app" 2>&1 | hide_secrets
}

main
