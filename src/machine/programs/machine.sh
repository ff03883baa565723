# shellcheck shell=bash disable=SC2034
# What every program here knows: the settings of this machine, how it asks AWS and the metadata service, and where things lie.
# To be sourced. Nothing in it writes a secret anywhere but into memory-backed files.

root=${LANDFALL_ROOT:-}
lib=$root/usr/local/lib/landfall
run=$root/run/landfall
state=$root/var/lib/landfall
releases=$root/srv/landfall/releases
current=$root/srv/landfall/current
image=$root/opt/landfall/image
settings=$root/etc/landfall/settings
metadata=${LANDFALL_METADATA:-http://169.254.169.254/latest}

# The AWS command line retries by itself; it must never wait for somebody to page through its output, nor for a server for ever.
export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=6 AWS_PAGER=
aws=(aws --cli-connect-timeout 5 --cli-read-timeout 30 --output json)

load_settings() {
  # shellcheck source=/dev/null
  source "$settings"
  export AWS_DEFAULT_REGION=$LANDFALL_REGION AWS_REGION=$LANDFALL_REGION
}

# Writes all that LANDFALL_… variables say, so that it can be read again after a reboot. No secret is among them.
keep_settings() {
  local name
  mkdir -p "$(dirname "$settings")"
  for name in "${!LANDFALL_@}"; do
    case $name in LANDFALL_ROOT | LANDFALL_METADATA) continue ;; esac
    printf '%s=%q\n' "$name" "${!name}"
  done >"$settings.new"
  mv "$settings.new" "$settings"
}

# Prints what the metadata service (IMDSv2) says of a path; fails when it has no such thing.
ask_metadata() {
  local token_file=$run/metadata-token
  if [[ ! -s $token_file || -n $(find "$token_file" -mmin +300) ]]; then
    (
      umask 077
      curl -sf --max-time 5 --retry 5 --retry-connrefused -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 21600' "$metadata/api/token" >"$token_file.$$"
    ) || return
    # Several programs may be at it at the same time.
    mv "$token_file.$$" "$token_file"
  fi
  # Over stdin, because whoever knows the token can ask for the credentials of this machine.
  printf 'header = "X-aws-ec2-metadata-token: %s"\n' "$(<"$token_file")" | curl -sf --max-time 5 --retry 3 -K - "$metadata/meta-data/$1"
}

instance_id() {
  local file=$run/instance-id
  if [[ ! -s $file ]]; then
    ask_metadata instance-id >"$file.$$" || return
    mv "$file.$$" "$file"
  fi
  cat "$file"
}

# Where this instance stands in its group: "None" where it is in none, "unknown" while AWS does not say.
lifecycle_state() {
  "${aws[@]}" autoscaling describe-auto-scaling-instances --instance-ids "$(instance_id)" \
    --query 'AutoScalingInstances[0].LifecycleState' --output text || echo unknown
}

# lifecycle_action ACTION HOOK OPTION...: of the hook that holds this instance. AWS refuses it while none does.
lifecycle_action() {
  local action=$1 hook=$2
  shift 2
  "${aws[@]}" autoscaling "$action" --auto-scaling-group-name "$(ask_metadata tags/instance/aws:autoscaling:groupName)" \
    --lifecycle-hook-name "$hook" --instance-id "$(instance_id)" "$@"
}

# systemd stops what is bound to the lease before it, so that it is given back once nothing of the app is left.
stop_app() {
  [[ -z ${LANDFALL_SCHEDULE:-} ]] || systemctl stop landfall-job.timer || true
  systemctl stop landfall-app.service || true
  [[ -z ${LANDFALL_LEASE_KEY:-} ]] || systemctl stop landfall-lease.service || true
}

log() { printf '%s\n' "$*"; }

# Milliseconds of a clock that nobody sets.
now_ms() {
  local up
  read -r up _ </proc/uptime
  echo $((${up/./} * 10))
}

# Milliseconds as seconds: 1500 is 1.5.
seconds() {
  local text
  printf -v text '%d.%03d' $(($1 / 1000)) $(($1 % 1000))
  while [[ $text == *.*0 || $text == *. ]]; do text=${text%?}; done
  echo "$text"
}

# The values of secrets, a line each with the name before a tab. Of a value with several lines each would show up by itself; what is
# shorter than this stands in too many other words.
secret_lines() {
  local variable line
  [[ -r $run/secrets ]] || return 0
  while IFS= read -r -d '' variable; do
    while IFS= read -r line; do
      ((${#line} < 6)) || printf '%s\t%s\n' "${variable%%=*}" "$line"
    done <<<"${variable#*=}"
  done <"$run/secrets"
}

# Replaces the values of secrets in lines from stdin by their names. They are read from memory, never taken as arguments.
hide_secrets() {
  local line name value index
  local -a names=() values=()
  while IFS=$'\t' read -r name value; do
    names+=("$name") values+=("$value")
  done < <(secret_lines)
  while IFS= read -r line || [[ -n $line ]]; do
    for index in "${!values[@]}"; do
      line=${line//"${values[index]}"/"[${names[index]}]"}
    done
    printf '%s\n' "$line"
  done
}

# holds_secret FILE: whether a secret's value is in it.
holds_secret() { grep -qaFf <(secret_lines | cut -f2-) "$1"; }

# Lines from stdin as a JSON list of texts: whatever they hold, nothing of it gets into an argument.
json_lines() { jq -R . | jq -s .; }
