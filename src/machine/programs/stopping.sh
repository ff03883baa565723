# shellcheck shell=sh
# Asks the processes of an app to stop. Not all of them get the signal, because a worker's children die of it with the job that they have in
# hand, while their parent would have waited for them. Only those are asked whom nobody else of the app answers for; they know what to
# tell their own children. src/targets/local/processes/stop-tree.ts is the same for processes of Landfall's own machine.
#
# To be sourced by any shell. The caller says in `leader` which process is the app's command, and has a function `list_members` that
# leaves the pids of all of the app's processes in `members`. Starts nothing but `sleep` and `readlink`.
leader='' members=''

# A shell that has not ended by then waits for its program, which knows nothing of the signal.
shell_wait_ms=300
asked=' ' handlers=' ' shells=' ' later=''

# stop_members SIGNAL MILLISECONDS: fails when some are left at the end of the time; they are in `left`.
stop_members() {
  signal=$1
  case $signal in INT) number=2 ;; QUIT) number=3 ;; USR1) number=10 ;; USR2) number=12 ;; *) number=15 ;; esac
  read_clock
  end=$((now + $2))
  list_members
  for pid in $members; do
    if observe "$pid" && catches; then handlers="$handlers$name "; fi
  done
  while look && [ -n "$left" ]; do
    [ "$now" -lt "$end" ] || return 1
    sleep 0.1
  done
}

# Asks whoever is to be asked by now, each of them once.
look() {
  read_clock
  list_members
  waited=$later
  left='' due='' later='' busy=''
  for pid in $members; do
    observe "$pid" || continue
    left="$left $pid"
    if is_in "$asked" "$name"; then
      if is_prepared; then busy=1; fi
    elif is_due; then
      if is_prepared; then busy=1; fi
      if is_prepared || [ "$pid" = "$leader" ]; then due="$due $pid"; else later="$later $name"; fi
    fi
  done
  for pid in $due; do ask "$pid"; done
  # The signal ends all others at once: the end of a pipe has to outlive what writes to it. Who is there is not seen in one moment, so
  # the second look decides.
  [ -n "$busy" ] || for name in $later; do
    if is_in "$waited " "$name"; then ask "${name%:*}"; fi
  done
}

# Of the process just observed, which stays the one observed: nobody of the app is its parent, or a shell that does nothing but wait for it.
is_due() {
  is_in " $members " "$parent" || return 0
  catches || return
  due_pid=$pid ancestor=$parent
  # A shell without a handler that was not asked passes nothing on: the one above it counts.
  while observe "$ancestor" && ! is_in "$asked" "$name" && ! is_prepared && is_shell "$ancestor"; do ancestor=$parent; done
  since=
  case $shells in *" $name@"*) since=${shells#*" $name@"} ;; esac
  observe "$due_pid" && [ -n "$since" ] && [ "$((now - ${since%% *}))" -ge $shell_wait_ms ]
}

is_in() { case $1 in *" $2 "*) return 0 ;; *) return 1 ;; esac }

# Whether the process just observed had a handler of the signal before anybody was asked, or has one now.
is_prepared() { is_in "$handlers" "$name" || catches; }

# A script's own name says nothing.
is_shell() {
  case $(readlink "/proc/$1/exe") in
    */sh | */dash | */bash | */ash | */busybox | */ksh | */mksh | */zsh) return 0 ;;
    *) return 1 ;;
  esac
}

ask() {
  observe "$1" || return 0
  asked="$asked$name "
  if is_shell "$1"; then shells="$shells$name@$now "; fi
  # Its parent passed the signal on and ended before it. A handler for one time is gone by then, and a second signal would kill.
  if catches || ! is_in "$handlers" "$name"; then kill -s "$signal" "$1" 2>/dev/null || true; fi
}

# Sets `name`, `parent` and `caught` of a process; fails when it has ended. A pid may come again while the app stops: its start time is
# part of the name.
observe() {
  state=Z parent='' caught='' name=''
  [ -r "/proc/$1/status" ] || return
  while read -r key value _; do
    case $key in
      State:) state=$value ;;
      PPid:) parent=$value ;;
      SigCgt:) caught=$value ;;
    esac
  done 2>/dev/null <"/proc/$1/status"
  read_start "$1"
  name=$1:$start
  [ "$state" != Z ] && [ "$state" != X ] && [ -n "$caught" ]
}

# The 22nd field; the second, the program's name, may hold blanks.
read_start() {
  start=
  read -r start 2>/dev/null <"/proc/$1/stat" || return 0
  # shellcheck disable=SC2086
  set -- ${start##*) }
  start=${20:-}
}

# Whether the process just observed has a handler of the signal: by the last four digits of the mask.
catches() { [ "$((0x${caught#????????????} >> (number - 1) & 1))" = 1 ]; }

# Milliseconds of a clock that nobody sets.
read_clock() {
  read -r up _ </proc/uptime
  now=$((${up%.*}${up#*.}0))
}
