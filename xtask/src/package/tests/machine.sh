#!/bin/sh
# Boots a machine with the files of ROOT (`/`: what this host has installed), and nothing of what runs here: systemd in a
# container, on a copy of the files that is gone afterwards, in a network of its own. Runs in a mount namespace of its own,
# as root.
#   machine.sh ROOT FOLDER COMMAND…    FOLDER is /share in the machine; its output goes to FOLDER/log.
set -eu
files=$1
share=$2
shift 2
disk=$share/disk
mkdir -p "$disk"
mount -t tmpfs tmpfs "$disk"
mkdir "$disk/upper" "$disk/work" "$disk/root"
mount -t overlay overlay -o "lowerdir=$files,upperdir=$disk/upper,workdir=$disk/work" "$disk/root"
root=$disk/root

# Container images forbid packages to start services.
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/machine-id"
# There is no network to wait for.
for unit in systemd-networkd-wait-online NetworkManager-wait-online; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit.service"
done
cat > "$root/etc/systemd/system/check.service" <<UNIT
[Unit]
Requires=dbus.socket
After=dbus.socket
[Service]
Type=oneshot
ExecStart=$*
StandardOutput=append:/share/log
StandardError=append:/share/log
ExecStopPost=systemctl poweroff --force
UNIT
exec systemd-nspawn --quiet --directory="$root" --machine="ironpxe-test-$$" --bind="$share:/share" --private-network \
    --register=no --keep-unit --link-journal=no --boot -- systemd.unit=check.service
