#!/usr/bin/env bash
# A real systemd, as a user instance in namespaces of its own, starts, reloads, watches and stops a service of ours.
#
# By hand, as root, on a machine with systemd's binaries; it need not have been booted with it:
#     bash packages/node/test/admin/userInstance.sh
# Prints one line of JSON; ends with 1 if something is not as it should be, with 2 if it cannot be tried here.
set -uo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
node="$here/../../../../node_modules/.bin/node"

cannot() {
  echo "userInstance: wanted $1, found none" >&2
  exit 2
}

if [[ "${1:-}" != inside ]]; then
  [[ -x /lib/systemd/systemd ]] || cannot "/lib/systemd/systemd"
  unshare --mount --pid --fork true 2>/dev/null || cannot "leave to make namespaces (root)"
  folder="$(mktemp -d)"
  trap 'rm -rf "$folder"' EXIT
  # All that is started below ends with the namespace.
  timeout 90 unshare --mount --pid --fork --kill-child --mount-proc bash "${BASH_SOURCE[0]}" inside "$folder"
  exit $?
fi

folder="$2"
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system /run/user/0 "$folder/units" "$folder/none"
chmod 700 /run/user/0
export XDG_RUNTIME_DIR=/run/user/0 SYSTEMD_UNIT_PATH="$folder/units" SYSTEMD_GENERATOR_PATH="$folder/none"
for target in default basic shutdown exit sysinit; do
  printf '[Unit]\nDefaultDependencies=no\n' > "$folder/units/$target.target"
done
# It needs 4 seconds to drain and is given 2: the service extends that.
cat > "$folder/units/try.service" <<UNIT
[Unit]
DefaultDependencies=no
[Service]
Type=notify
NotifyAccess=main
ExecStart=$node --conditions=@selvedge/source --no-warnings $here/fixtures/notified.ts true 4000
ExecReload=/bin/kill -HUP \$MAINPID
WatchdogSec=3
TimeoutStopSec=2
UNIT
/lib/systemd/systemd --user --unit=default.target --log-target=null &
manager=$!
for _ in $(seq 50); do [[ -S /run/user/0/systemd/private ]] && break; sleep 0.1; done
kill -0 "$manager" 2>/dev/null || cannot "a user instance that starts"

wrong=()
expect() {
  local found
  found="$(systemctl --user show try.service -p "$2" --value)"
  [[ "$found" == "$3" ]] || wrong+=("$1: wanted $2=$3, found $found")
}
systemctl --user start try.service || wrong+=("start failed")
expect start SubState running
expect start StatusText ready
systemctl --user reload try.service || wrong+=("reload failed")
# Before 253 the command ends with ExecReload, and RELOADING=1 and READY=1 lead the state from there.
sleep 7
expect "after 7 s with WatchdogSec=3" SubState running
began="$(date +%s%N)"
systemctl --user stop try.service
millis=$((($(date +%s%N) - began) / 1000000))
expect stop Result success
((millis >= 3500)) || wrong+=("stop: wanted a drain of 4 s, found $millis ms")
systemctl --user start try.service
kill -STOP "$(systemctl --user show try.service -p MainPID --value)"
sleep 7
expect "a process that is held" Result watchdog

version="$(systemctl --version | head -n 1)"
printf '{"script":"user-instance","systemd":"%s","stopMillis":%d,"violations":%d}\n' "$version" "$millis" "${#wrong[@]}"
for line in "${wrong[@]}"; do echo "userInstance: $line" >&2; done
kill -TERM "$manager"
exit $((${#wrong[@]} > 0))
