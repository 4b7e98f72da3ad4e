#!/usr/bin/env bash
# A container made of Debian's own packages, with systemd as its first process, runs the gateway as a unit.
#
# By hand, as root, on a machine with debootstrap and the network it needs; no container engine is wanted:
#     bash packages/node/test/admin/container.sh [SUITE] [FOLDER]
# SUITE is trixie (systemd 257, the default) or bookworm (252, which has no Type=notify-reload). FOLDER is where the packages are unpacked,
# and is used again if it is there; without one they are unpacked into a temporary folder. Nothing of it is written to afterwards: what
# the container changes lies in memory, and the repository is mounted read-only.
# Prints one line of JSON; ends with 1 if something is not as it should be, with 2 if it cannot be tried here.
# No pipefail: who is read by a grep that has found it ends with an error.
set -u
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
repository="$(cd "$here/../../../.." && pwd)"
suite="${1:-trixie}"
packages="${2:-}"

cannot() {
  echo "container: wanted $1, found $2" >&2
  exit 2
}
[[ "$suite" =~ ^[a-z]+$ ]] || cannot "the name of a suite, as trixie" "\"$suite\""
hierarchy="$(findmnt --noheadings --first-only --types cgroup2 --output TARGET)" || cannot "a mounted cgroup2" "none"
unshare --pid --mount --uts --ipc --cgroup --net --fork true 2>/dev/null || cannot "leave to make namespaces (root)" "none"

folder="$(mktemp -d)"
group="$hierarchy/container-$$"
booted=""
clean() {
  [[ -n "$booted" ]] && kill -KILL "$booted" 2>/dev/null && wait "$booted" 2>/dev/null
  # Whoever was in it is gone a moment later.
  for _ in $(seq 50); do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
    [[ -d "$group" ]] || break
    sleep 0.1
  done
  rm -rf "$folder"
}
trap clean EXIT

packages="${packages:-$folder/packages}"
if [[ ! -x "$packages/usr/lib/systemd/systemd" ]]; then
  command -v debootstrap > /dev/null || cannot "debootstrap" "none"
  timeout 900 debootstrap --variant=minbase --include=systemd,systemd-sysv,libatomic1,procps "$suite" "$packages" > "$folder/debootstrap" 2>&1 ||
    cannot "a folder of $suite" "$(tail -n 1 "$folder/debootstrap")"
fi

# ------------------------------------------------------------------------------
# The container
# ------------------------------------------------------------------------------

cat > "$folder/boot" <<'BOOT'
set -euo pipefail
folder="$1" packages="$2" repository="$3" units="$4"
mount --make-rprivate /
mkdir "$folder/changes" "$folder/root"
mount -t tmpfs tmpfs "$folder/changes"
mkdir "$folder/changes/upper" "$folder/changes/work"
root="$folder/root"
mount -t overlay -o "lowerdir=$packages,upperdir=$folder/changes/upper,workdir=$folder/changes/work" overlay "$root"
cp "$units"/* "$root/etc/systemd/system/"
mkdir -p "$root/srv/selvedge" "$root/before"
mount --bind -o ro "$repository" "$root/srv/selvedge"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/shm" "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
for name in null zero full random urandom tty; do
  touch "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
cd "$root"
pivot_root . before
umount --lazy /before
exec env -i container=other PATH=/usr/sbin:/usr/bin /usr/lib/systemd/systemd --unit=multi-user.target --log-target=journal --show-status=no
BOOT

version="$(chroot "$packages" /usr/bin/systemctl --version | awk 'NR == 1 { print $2 }')"
((version >= 253)) && type="notify-reload" || type="notify"
mkdir "$folder/units"
# It needs 3 seconds to drain and is given 2: the service extends that.
cat > "$folder/units/gateway@.service" <<UNIT
[Service]
Type=$type
$([[ $type == notify ]] && echo 'ExecReload=/bin/kill -HUP $MAINPID')
WorkingDirectory=/srv/selvedge/examples
ExecStart=/srv/selvedge/node_modules/.bin/node --conditions=@selvedge/source --no-warnings gateway/main.ts --processes 1 --threads 2 \$PLANT
Environment=GATEWAY_PORT=%i GATEWAY_DB=/var/lib/gateway-%i/gateway.sqlite GATEWAY_WORKERS=1 SELVEDGE_DRAIN_DELAY=3s
StateDirectory=gateway-%i
WatchdogSec=2
TimeoutStartSec=60
TimeoutStopSec=2
Restart=on-watchdog
KillMode=mixed
UNIT
# The same, and two seconds after it is ready its main loop is blocked for three.
sed 's/^Environment=/Environment=PLANT=--plant=block /' "$folder/units/gateway@.service" > "$folder/units/blocked@.service"

mkdir "$group" || cannot "leave to make a control group" "none"
bash -c 'echo $$ > "$0/cgroup.procs"; exec "$@"' "$group" \
  unshare --pid --mount --uts --ipc --cgroup --net --fork --kill-child bash "$folder/boot" "$folder" "$packages" "$repository" "$folder/units" \
  < /dev/null > "$folder/booting" 2>&1 &
booted=$!

# ------------------------------------------------------------------------------
# What is tried
# ------------------------------------------------------------------------------

wrong=()
# Until a command says yes; the bound is generous, because it is no measurement.
until_true() {
  local what="$1" end=$((SECONDS + 90))
  shift
  until "$@"; do
    ((SECONDS < end)) || { wrong+=("$what: not within 90 s"); return 1; }
    kill -0 "$booted" 2>/dev/null || cannot "a systemd that starts" "$(tail -n 3 "$folder/booting")"
    sleep 0.1
  done
}
first() { pgrep --parent "$booted" | head -n 1; }
inside() { nsenter --target "$(first)" --all "$@"; }
manage() { inside timeout 120 systemctl "$@"; }
is_up() { [[ -n "$(first)" ]] && manage is-system-running 2> /dev/null | grep -qE 'running|degraded'; }
value() { manage show "$1" --property "$2" --value; }
has() { [[ "$(value "$1" "$2")" == $3 ]]; }
expect() { has "$2" "$3" "$4" || wrong+=("$1: wanted $3=$4, found $(value "$2" "$3")"); }
# One request to a port, and its whole answer.
ask() {
  inside timeout 20 bash -c 'exec 3<> "/dev/tcp/127.0.0.1/$0" && printf "%b" "$1" >&3 && cat <&3' "$1" "$2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n$3" 2> /dev/null
}
get() { ask "$1" "GET $2" "\r\n"; }
is_ready() { get "$1" /ready | grep -q '^HTTP/1.1 200'; }
counted() { get "$1" '/top?n=1' | grep -o '"events":[0-9]*' | head -n 1; }
# Processes of a service other than the main one.
workers_of() { inside cat "/sys/fs/cgroup$(value "$1" ControlGroup)/cgroup.procs" | grep -vx "$(value "$1" MainPID)"; }
lives() { get "$1" /workers | grep -o '"ordinal":[0-9]*,"generation":[0-9]*' | sort | tr '\n' ' '; }

until_true "boot" is_up || exit 1
one=gateway@8080.service

# `start` returns when the service is ready.
manage start "$one" || wrong+=("start failed")
expect start "$one" SubState running
expect start "$one" StatusText "ready; workers ready*"
is_ready 8080 || wrong+=("start: returned before it was ready")
manage status "$one" --no-pager | grep -q 'Status: "ready; workers ready' || wrong+=("status: shows no STATUS")
body='{"key":"a","value":1}\n{"key":"b","value":2}\n'
ask 8080 "POST /ingest" "Content-Length: 44\r\n\r\n$body" | grep -q '"accepted":2' || wrong+=("ingest: wanted 2 accepted")

# `reload` replaces all workers; since 253 it returns when that is done, and only if MONOTONIC_USEC is later than its own signal.
before="$(lives 8080)"
manage reload "$one" &
reloading=$!
until_true "reload: wanted ActiveState=reloading" has "$one" ActiveState reloading
wait "$reloading" || wrong+=("reload failed")
[[ $type == notify-reload ]] && expect "reload has returned" "$one" SubState running
until_true "reload: wanted SubState=running" has "$one" SubState running
expect reload "$one" StatusText "ready; workers ready*"
[[ "$(lives 8080)" != "$before" ]] || wrong+=("reload: wanted other workers than $before")

# A hundred SIGHUPs are a reload or two.
inside bash -c 'for _ in {1..100}; do kill -HUP "$0"; done' "$(value "$one" MainPID)"
until_true "SIGHUPs: wanted SubState=running" has "$one" SubState running
expect SIGHUPs "$one" NRestarts 0

# A worker that is killed is replaced; for the manager nothing has happened.
main="$(value "$one" MainPID)"
before="$(lives 8080)"
inside bash -c 'kill -KILL "$0"' "$(workers_of "$one" | head -n 1)"
replaced() { local now; now="$(lives 8080)"; [[ -n "$now" && "$now" != "$before" ]] && is_ready 8080 && has "$one" StatusText "ready*2/2*"; }
until_true "a worker is killed: wanted another one" replaced
expect "a worker is killed" "$one" MainPID "$main"

# A second service, of a main loop that is blocked: the manager ends it and starts it again, and the first is not concerned.
two=blocked@8081.service
manage start "$two" || wrong+=("the second service: start failed")
again() { (($(value "$two" NRestarts) >= 1)); }
until_true "a blocked loop: wanted a restart" again
inside journalctl --no-pager --unit "$two" | grep -qi 'watchdog timeout' || wrong+=("a blocked loop: wanted a watchdog timeout in the journal")
until_true "a blocked loop: wanted SubState=running again" has "$two" SubState running
manage stop "$two"
expect "the other service" "$one" NRestarts 0
expect "the other service" "$one" MainPID "$main"

# `stop` waits for the drain, which takes longer than TimeoutStopSec; what was acknowledged is there after the next start.
began="$(date +%s%N)"
manage stop "$one"
millis=$((($(date +%s%N) - began) / 1000000))
expect stop "$one" Result success
expect stop "$one" ExecMainStatus 0
((millis >= 2900)) || wrong+=("stop: wanted a drain of 3 s, found $millis ms")
manage start "$one" || wrong+=("start again failed")
[[ "$(counted 8080)" == '"events":2' ]] || wrong+=("start again: wanted 2 events, found $(counted 8080)")

# SIGTERM in the middle of a reload, and a reload of what is not there any more.
manage reload --no-block "$one"
until_true "reload before a stop: wanted ActiveState=reloading" has "$one" ActiveState reloading
manage stop "$one"
expect "stop during a reload" "$one" Result success
expect "stop during a reload" "$one" ExecMainStatus 0

printf '{"script":"container","suite":"%s","systemd":"%s","type":"%s","stopMillis":%d,"violations":%d}\n' \
  "$suite" "$version" "$type" "$millis" "${#wrong[@]}"
for line in "${wrong[@]}"; do echo "container: $line" >&2; done
((${#wrong[@]} == 0)) || inside journalctl --no-pager --unit "$one" --unit "$two" --lines 60 >&2
exit $((${#wrong[@]} > 0))
