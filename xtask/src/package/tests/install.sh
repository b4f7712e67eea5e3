#!/bin/sh
# What an administrator does with the Debian package, in a machine with systemd: /share/first.deb and /share/next.deb
# are the package and a newer version of it with another configuration file.
set -eux
api=http://127.0.0.1:6385

ready() {
    curl --silent --show-error --fail --max-time 20 --retry 100 --retry-delay 1 --retry-connrefused "$api/readyz"
}
install() {
    # The index of man pages takes longer than all the rest.
    dpkg --no-triggers --force-confold --install "$1"
}
node() {
    curl --silent --show-error --fail "$api/v1/nodes/rack-1"
}

# This host may have it.
dpkg --purge ironpxe || true
rm -rf /var/lib/ironpxe

: install
install /share/first.deb
ready
test "$(systemctl is-enabled ironpxe)" = enabled
test "$(stat -c %U:%G:%a /var/lib/ironpxe)" = ironpxe:ironpxe:700
test "$(stat -c %U:%G:%a /etc/ironpxe)" = root:ironpxe:750
test -f /var/lib/ironpxe/ironpxe.sqlite
curl --silent --fail "$api/healthz"

: confined
pid=$(systemctl show --property=MainPID --value ironpxe)
test "$(stat -c %U "/proc/$pid")" = ironpxe
grep -E '^CapBnd:\s+0+$' "/proc/$pid/status"
grep -E '^CapEff:\s+0+$' "/proc/$pid/status"
grep -E '^NoNewPrivs:\s+1$' "/proc/$pid/status"
grep -E '^Seccomp:\s+2$' "/proc/$pid/status"
for folder in /etc /usr /var /var/lib /srv; do
    ! nsenter --target "$pid" --mount touch "$folder/ironpxe-was-here"
done
nsenter --target "$pid" --mount touch /var/lib/ironpxe/writable
rm /var/lib/ironpxe/writable

: use
curl --silent --show-error --fail --request POST --header 'Content-Type: application/json' \
    --data '{"driver": "fake-hardware", "name": "rack-1", "boot_interface": "ipxe"}' "$api/v1/nodes"
uuid=$(node | sed -E 's/.*"uuid": ?"([0-9a-f-]+)".*/\1/')
curl --silent --show-error --fail --request POST --header 'Content-Type: application/json' \
    --data "{\"node_uuid\": \"$uuid\", \"address\": \"52:54:00:c0:ff:ee\"}" "$api/v1/ports"
curl --silent --show-error --fail "$api/v1/boot/52:54:00:c0:ff:ee/boot.ipxe" | grep rack-1
systemctl reload ironpxe
ready
runuser -u ironpxe -- ironpxe config check --config /etc/ironpxe/ironpxe.toml
runuser -u ironpxe -- ironpxe db status --config /etc/ironpxe/ironpxe.toml

: upgrade
sed -i 's/^#ipxe_timeout = .*/ipxe_timeout = 7/' /etc/ironpxe/ironpxe.toml
grep '^ipxe_timeout = 7' /etc/ironpxe/ironpxe.toml
chmod 0710 /etc/ironpxe
for again in 1 2; do
    install /share/next.deb
    ready
    test "$(systemctl show --property=MainPID --value ironpxe)" != "$pid"
    node
    grep '^ipxe_timeout = 7' /etc/ironpxe/ironpxe.toml
    test "$(stat -c %U:%G:%a /etc/ironpxe)" = root:ironpxe:710
    test "$(stat -c %U:%G:%a /var/lib/ironpxe)" = ironpxe:ironpxe:700
done
grep 'newer default' /etc/ironpxe/ironpxe.toml.dpkg-dist

: remove, and install again
dpkg --no-triggers --remove ironpxe
! systemctl is-active ironpxe
! curl --silent "$api/healthz"
test -f /etc/ironpxe/ironpxe.toml
test -f /var/lib/ironpxe/ironpxe.sqlite
install /share/next.deb
ready
node

: purge
dpkg --no-triggers --purge ironpxe
! systemctl is-active ironpxe
for path in /etc/ironpxe /var/lib/ironpxe /usr/bin/ironpxe /lib/systemd/system/ironpxe.service \
    /etc/systemd/system/multi-user.target.wants/ironpxe.service; do
    test ! -e "$path" -a ! -L "$path"
done

: nothing was killed by its system call filter, or restarted
! journalctl --unit=ironpxe --grep='code=killed|code=dumped|status=31|Scheduled restart'
echo 'every step succeeded'
