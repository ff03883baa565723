# shellcheck shell=bash
set -uo pipefail
umask 022
export DEBIAN_FRONTEND=noninteractive LANG=C.UTF-8 HOME=/root
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
image=/opt/landfall/image

# step NAME COMMAND...: says what is done and how long it took; ends the script with the step's status when it fails.
step() {
  local name=$1 began=$SECONDS status
  shift
  [[ -z ${LANDFALL_STEP_FILE:-} ]] || printf '%s\n' "$name" >"$LANDFALL_STEP_FILE"
  printf '== %s\n' "$name"
  # In a shell of its own, so that `set -e` holds in it.
  (
    set -e
    "$@"
  ) </dev/null
  status=$?
  if ((status != 0)); then
    printf '== FAILED: step "%s" ended with status %s after %s s\n' "$name" "$status" $((SECONDS - began))
    exit "$status"
  fi
  printf '== done in %s s\n' $((SECONDS - began))
}

install_packages() {
  # What a package brings must not be started here: it would leave its state in the image.
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  apt-get -qq update
  apt-get -qq -y --no-install-recommends -o Dpkg::Options::=--force-confold -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install "$@"
  # The proxy has a unit of its own.
  [[ ! -e /usr/sbin/nginx ]] || systemctl mask nginx.service
}

make_users() {
  getent group app >/dev/null || groupadd --system app
  getent passwd app >/dev/null || useradd --system --gid app --home-dir /var/lib/landfall/home --shell /usr/sbin/nologin app
}

make_folders() {
  install -d -m 755 /opt/landfall /srv/landfall /srv/landfall/releases /usr/local/lib/landfall /usr/local/share/landfall
  install -d -m 711 /var/lib/landfall
  install -d -o app -g app -m 700 /var/lib/landfall/home
}

# The way in without an open port. Debian has no package of it, AWS gives it from a bucket in each region.
install_agent() {
  local package
  [[ ! -x /usr/bin/amazon-ssm-agent ]] || return 0
  package=$(mktemp --suffix=.deb)
  curl -fsS --retry 5 -o "$package" \
    "https://s3.$LANDFALL_REGION.amazonaws.com/amazon-ssm-$LANDFALL_REGION/latest/debian_$(dpkg --print-architecture)/amazon-ssm-agent.deb"
  dpkg -i "$package"
  rm "$package"
  systemctl enable amazon-ssm-agent.service
}

# By which an app knows that the database it speaks to is the one it asked for.
install_certificates() {
  curl -fsS --retry 5 -o /usr/local/share/landfall/rds.pem "https://truststore.pki.rds.amazonaws.com/$LANDFALL_REGION/$LANDFALL_REGION-bundle.pem"
  openssl x509 -noout -in /usr/local/share/landfall/rds.pem
}

write_programs() {
@PROGRAMS@
}

write_units() {
@UNITS@
  systemctl enable landfall-boot.service
  # Session Manager is the way in.
  systemctl disable ssh.service ssh.socket 2>/dev/null || true
}

# The image begins with the recipe's files and nothing else, also when this is not its first time.
copy_files() {
  rm -rf "$image"
  install -d -o app -g app -m 755 "$image"
  [[ ! -d $here/files ]] || cp -a "$here/files/." "$image/"
  (cd "$image" && find . ! -type d -printf '%P\n') >/opt/landfall/recipe-files
  chown -R app:app "$image"
  chmod -R u+rwX,go+rX,go-w "$image"
}

# Errors and output in one stream keep their order. Of this machine's own variables a step gets only those that say how to reach a registry.
run_as_app() {
  local -a passed
  mapfile -t passed < <(env | grep -iE '^((https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|PIP_[A-Z_]*|npm_config_[a-z_]*)=')
  cd "$image"
  setpriv --reuid=app --regid=app --init-groups --no-new-privs env -i PATH=/usr/local/bin:/usr/bin:/bin HOME=/var/lib/landfall/home LANG=C.UTF-8 \
    "${passed[@]}" sh -c "exec 2>&1; umask 022; $1"
}

# Whatever runs with the image may read it, and cannot change it.
seal_image() {
  chown -Rh root:root "$image"
  chmod -R go-w "$image"
  rm -rf /var/lib/landfall/home
  install -d -o app -g app -m 700 /var/lib/landfall/home
}

# Nothing of this one machine, and nothing that can be had again, goes into the image.
clean() {
  apt-get -qq clean
  rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /etc/ssh/ssh_host_* /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys
  rm -rf /var/lib/cloud/instances /var/lib/cloud/instance /var/lib/cloud/sem /var/lib/cloud/data /var/lib/amazon/ssm /var/lib/dhcp/* /var/lib/systemd/random-seed
  rm -rf /tmp/* /var/tmp/systemd-private-* /root/.cache /root/.bash_history /root/.aws
  find /var/log -type f ! -path '/var/log/journal/*' -exec truncate -s 0 {} +
  journalctl -q --rotate --vacuum-time=1s >/dev/null 2>&1 || true
  : >/etc/machine-id
  sync
}
