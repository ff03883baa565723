# shellcheck shell=bash disable=SC2154
# What must be in a database before a release: itself, and the user that can only read. All of it may be said again, and by several machines
# at once. Passwords reach the clients through their environment and their input, never as arguments. To be sourced after machine.sh and
# environment.sh.

# establish_databases: for each database of LANDFALL_RESOURCES that is the environment's own.
establish_databases() {
  local name kind place rest
  while read -r name kind place rest; do
    # The read-only user is made where its database is.
    [[ $name != *_READONLY_URL ]] || continue
    case $kind in postgres | mysql) "establish_$kind" "$name" "$place" "$rest" || return ;; esac
  done <<<"${LANDFALL_RESOURCES:-}"
}

# establish_readers: the same where a read-only user cannot log in, as when no release phase has made it. What serves is left alone otherwise.
establish_readers() (
  local name kind place rest
  trap 'rm -rf "$run/making"' EXIT
  while read -r name kind place rest; do
    [[ $name == *_READONLY_URL && $kind =~ ^(postgres|mysql)$ ]] || continue
    "log_in_$kind" "$place" "$rest" 2>/dev/null || establish_databases || exit
  done <<<"${LANDFALL_RESOURCES:-}"
)

# reader_of NAME_URL: where the login of its read-only user is; nothing when it has none.
reader_of() {
  local name kind place rest
  while read -r name kind place rest; do
    [[ $name != "${1%_URL}_READONLY_URL" ]] || echo "$place"
  done <<<"${LANDFALL_RESOURCES:-}"
}

# connect_postgres ARN HOST:PORT/NAME?QUERY: how libpq is told, in this shell's environment.
connect_postgres() {
  local address=${2%%/*} rest=${2#*/}
  mkdir -p "$run/making"
  PGHOST=${address%:*} PGPORT=${address##*:} PGDATABASE=${rest%%\?*}
  PGUSER=$(login "$1" | jq -r .username) PGPASSWORD=$(login "$1" | jq -r .password)
  PGCONNECT_TIMEOUT=10
  export PGHOST PGPORT PGDATABASE PGUSER PGPASSWORD PGCONNECT_TIMEOUT
  [[ $2 =~ [?\&]sslmode=([a-z-]+) ]] && export PGSSLMODE=${BASH_REMATCH[1]}
  [[ $2 =~ [?\&]sslrootcert=([^\&]+) ]] && export PGSSLROOTCERT=${BASH_REMATCH[1]}
  return 0
}

log_in_postgres() (
  connect_postgres "$1" "$2"
  sql -c ''
)

# Two that change a role or its rights at once fail each other.
one_at_a_time="SELECT pg_advisory_lock(hashtext('landfall databases')) \\g /dev/null"
sql() { psql -X -q -v ON_ERROR_STOP=1 "$@"; }

establish_postgres() (
  connect_postgres "$2" "$3"
  local wanted=$PGDATABASE reader
  sql -v wanted="$wanted" postgres <<SQL || exit
$one_at_a_time
SELECT 'CREATE DATABASE ' || quote_ident(:'wanted') WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'wanted') \\gexec
SQL
  reader=$(reader_of "$1")
  [[ -n $reader ]] || exit 0
  # Its password goes over as a SCRAM verifier, so that no log of statements can hold it.
  {
    login "$reader" | "$lib/scram-verifier" || exit
    echo "$one_at_a_time"
    cat <<'SQL'
SELECT 'CREATE ROLE ' || quote_ident(:'reader') || ' LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE'
  WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'reader') \gexec
ALTER ROLE :"reader" LOGIN PASSWORD :'verifier';
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"reader";
SELECT format(what, nspname, :'reader') FROM pg_namespace, unnest(ARRAY['GRANT USAGE ON SCHEMA %I TO %I',
    'GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', 'GRANT SELECT ON ALL SEQUENCES IN SCHEMA %I TO %I']) AS what
  -- What belongs to the administrator of a managed server is not ours to grant.
  WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema' AND (nspname = 'public' OR pg_has_role(nspowner, 'USAGE')) \gexec
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO :"reader";
ALTER DEFAULT PRIVILEGES GRANT SELECT ON SEQUENCES TO :"reader";
ALTER DEFAULT PRIVILEGES GRANT USAGE ON SCHEMAS TO :"reader";
SQL
  } | sql -v database="$wanted"
)

# connect_mysql ARN HOST:PORT/NAME?QUERY: how its client is told, in the file "$options".
connect_mysql() {
  local address=${2%%/*}
  options=$run/making/mysql
  mkdir -p "$run/making"
  umask 077
  {
    printf '[client]\nhost=%s\nport=%s\nconnect-timeout=10\n' "${address%:*}" "${address##*:}"
    printf 'ssl-ca=%s/usr/local/share/landfall/rds.pem\nssl-verify-server-cert\n' "$root"
    login "$1" | jq -r '"user=\(.username)\npassword=\"\(.password)\""'
  } >"$options"
}

log_in_mysql() (
  connect_mysql "$1" "$2"
  mysql --defaults-extra-file="$options" -e ''
)

establish_mysql() (
  local rest=${3#*/} reader
  local database=${rest%%\?*}
  connect_mysql "$2" "$3"
  reader=$(reader_of "$1")
  {
    echo "CREATE DATABASE IF NOT EXISTS \`$database\`;"
    # Letters and digits only, both of them, as the secret was made.
    [[ -z $reader ]] || login "$reader" | jq -r --arg database "$database" '
      "CREATE USER IF NOT EXISTS \u0027\(.username)\u0027@\u0027%\u0027;",
      "ALTER USER \u0027\(.username)\u0027@\u0027%\u0027 IDENTIFIED BY \u0027\(.password)\u0027;",
      "GRANT SELECT, SHOW VIEW ON `\($database)`.* TO \u0027\(.username)\u0027@\u0027%\u0027;"'
  } | mysql --defaults-extra-file="$options"
)

# Held by a session for as long as this machine lives: whoever dies lets go of it. Only an app with a Postgres of its own has one; for
# the others the lease of the environment is the lock.
take_lock() {
  local name kind place rest held=$run/lock
  while read -r name kind place rest; do
    [[ $kind == postgres ]] && break
  done <<<"${LANDFALL_RESOURCES:-}"
  [[ ${kind:-} == postgres ]] || return 0
  : >"$held"
  (
    connect_postgres "$place" "$rest"
    { echo "SELECT pg_advisory_lock(hashtext('landfall release phase'));"; sleep infinity; } | sql -At >"$held"
  ) &
  local until=$(($(now_ms) + LANDFALL_PHASE_TIMEOUT_MS))
  # The function gives back an empty line.
  while [[ ! -s $held ]]; do
    kill -0 $! 2>/dev/null || return 1
    if (($(now_ms) >= until)); then
      log "another release phase holds the lock"
      return 1
    fi
    sleep 0.2
  done
}
