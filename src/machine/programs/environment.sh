# shellcheck shell=bash disable=SC2154
# The app's variables, gathered into memory-backed files that only their reader can open. To be sourced after machine.sh.
# Values go from one program to the next through pipes: never as an argument, never over the disk, never into a log.

# write_environment: $run/environment for the app (NAME=value, each ended by a zero byte) and $run/secrets with what must not be shown.
write_environment() {
  local old_umask
  old_umask=$(umask)
  umask 077
  mkdir -p "$run/making"
  : >"$run/making/secrets"
  read_ahead
  {
    printf '%s\0' "LANDFALL_APP=$LANDFALL_APP" "LANDFALL_ENVIRONMENT=$LANDFALL_ENVIRONMENT" "LANDFALL_SERVICE=$LANDFALL_SERVICE" \
      "LANDFALL_RELEASE=$LANDFALL_RELEASE" "LANDFALL_INSTANCE=$(instance_id)" "LANDFALL_DATA=$state/data" \
      "AWS_REGION=$LANDFALL_REGION" "AWS_DEFAULT_REGION=$LANDFALL_REGION" "HOST=$(listen_address)"
    [[ -z ${LANDFALL_PORT:-} ]] || printf '%s\0' "PORT=$LANDFALL_PORT"
    write_resources &&
      jq -j 'to_entries[] | "\(.key)=\(.value)\u0000"' <<<"${LANDFALL_VARIABLES:-{\}}" &&
      write_secrets
  } >"$run/making/environment" || return
  umask "$old_umask"
  chown app:app "$run/making/environment"
  chmod 0400 "$run/making/environment" "$run/making/secrets"
  mv "$run/making/environment" "$run/making/secrets" "$run/"
  rm -rf "$run/making"
}

# With a proxy before it, nobody else need reach the app.
listen_address() { if [[ -n ${LANDFALL_PROXY_PORT:-} ]]; then echo 127.0.0.1; else echo 0.0.0.0; fi; }

# Adds "NAME=value\0" lines to what hide_secrets knows, and passes them on.
note_secrets() { tee -a "$run/making/secrets"; }

write_secrets() {
  local name
  for name in ${LANDFALL_SECRETS:-}; do
    secret_parameter "$LANDFALL_SECRETS_PATH$name" | jq -j --arg name "$name" '"\($name)=\(.)\u0000"' | note_secrets || return
  done
}

# secret_parameter PATH: the value as a JSON text. Says which one is missing when it is.
secret_parameter() { kept "$1" read_parameter "$1"; }

read_parameter() {
  local words=$run/making/words-$BASHPID
  "${aws[@]}" ssm get-parameter --with-decryption --name "$1" --query Parameter.Value 2>"$words" && return
  log "secret ${1##*/} could not be read from $1: $(tr '\n' ' ' <"$words")" >&2
  return 1
}

# The lines of LANDFALL_RESOURCES: `NAME plain - VALUE`, `NAME secret PATH`, `NAME SCHEME ARN HOST:PORT/NAME`.
write_resources() {
  local name kind place rest
  while read -r name kind place rest; do
    case $kind in
      "") ;;
      plain) printf '%s=%s\0' "$name" "$rest" ;;
      secret) secret_parameter "$place" | jq -j --arg name "$name" '"\($name)=\(.)\u0000"' | note_secrets || return ;;
      *)
        login "$place" | jq -j --arg name "$name" --arg scheme "$kind" --arg address "$rest" \
          '"\($name)=\($scheme)://\(.username | @uri):\(.password | @uri)@\($address)\u0000"' | note_secrets || return
        login "$place" | jq -j --arg name "password of $name" '"\($name)=\(.password)\u0000"' >>"$run/making/secrets" || return
        ;;
    esac
  done <<<"${LANDFALL_RESOURCES:-}"
}

# login ARN: the user and password as JSON.
login() { kept "$1" read_login "$1"; }

read_login() {
  "${aws[@]}" secretsmanager get-secret-value --secret-id "$1" --query SecretString | jq -er 'fromjson | tojson' && return
  log "the login $1 could not be read" >&2
  return 1
}

# kept PLACE COMMAND...: what the command prints, asked for once and kept in memory until the variables are written.
kept() {
  local file=$run/making/${1//[^A-Za-z0-9]/-}
  shift
  if [[ ! -s $file ]]; then
    (umask 077 && mkdir -p "$run/making" && "$@" >"$file.$BASHPID" && mv "$file.$BASHPID" "$file") || return
  fi
  cat "$file"
}

# Each call takes a second of the processor before it asks anything, so that some are made at a time. What fails is asked again, and told, later.
read_ahead() {
  local what place started=0
  while read -r what place; do
    "$what" "$place" >/dev/null 2>&1 &
    ((++started % 4 > 0)) || wait
  done < <(list_places | sort -u)
  wait
}

list_places() {
  local name kind place rest
  for name in ${LANDFALL_SECRETS:-}; do log "secret_parameter $LANDFALL_SECRETS_PATH$name"; done
  while read -r name kind place rest; do
    case $kind in
      "" | plain) ;;
      secret) log "secret_parameter $place" ;;
      *) log "login $place" ;;
    esac
  done <<<"${LANDFALL_RESOURCES:-}"
}
