#!/bin/sh
# What an administrator does with the Debian package, in a machine with systemd: /share/first.deb and /share/next.deb
# are the package and a newer version of it with another configuration file.
set -eux
api=http://127.0.0.1:6385

ready() {
    curl --silent --show-error --fail --max-time 20 --retry 100 --retry-delay 1 --retry-connrefused "$api/readyz"
}
install_package() {
    # The index of man pages takes longer than all the rest.
    dpkg --no-triggers --force-confold --install "$1"
}
# `set -e` does not look at `! command`.
fails() {
    if "$@"; then
        echo "succeeded, but must not: $*"
        exit 1
    fi
}
ask() {
    curl --silent --show-error --fail --header 'X-OpenStack-Ironic-API-Version: 1.115' \
        --header 'Content-Type: application/json' "$@"
}
node() {
    ask "$api/v1/nodes/rack-1"
}

# This host may have it.
dpkg --purge ironpxe || true
rm -rf /var/lib/ironpxe

: install
install_package /share/first.deb
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
# The container has a filter for all its processes.
filters() {
    sed -n 's/^Seccomp_filters:\s*//p' "/proc/$1/status"
}
test "$(filters "$pid")" -gt "$(filters 1)"
for folder in /etc /usr /var /var/lib /srv; do
    fails nsenter --target "$pid" --mount touch "$folder/ironpxe-was-here"
done
nsenter --target "$pid" --mount touch /var/lib/ironpxe/writable
rm /var/lib/ironpxe/writable

: use
ask --request POST --data '{"driver": "fake-hardware", "name": "rack-1", "boot_interface": "ipxe"}' "$api/v1/nodes"
uuid=$(node | sed -E 's/.*"uuid": ?"([0-9a-f-]+)".*/\1/')
ask --request POST --data "{\"node_uuid\": \"$uuid\", \"address\": \"52:54:00:c0:ff:ee\"}" "$api/v1/ports"
ask "$api/v1/nodes/rack-1/boot_script" | grep rack-1
# A client that is not the machine does not learn why it is not booted (restrict_boot_config).
fails curl --silent --fail "$api/v1/boot/52:54:00:c0:ff:ee/boot.ipxe"
systemctl reload ironpxe
ready
runuser -u ironpxe -- ironpxe config check --config /etc/ironpxe/ironpxe.toml
runuser -u ironpxe -- ironpxe db status --config /etc/ironpxe/ironpxe.toml

: what docs/install.md adds, a low port and the folders of dnsmasq
mkdir -p /etc/systemd/system/ironpxe.service.d
cat > /etc/systemd/system/ironpxe.service.d/override.conf <<'DROPIN'
[Service]
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE
ReadWritePaths=/etc/dnsmasq.d/optsdir.d /etc/dnsmasq.d/hostsdir.d
DROPIN
install -d -o ironpxe -g ironpxe /etc/dnsmasq.d/optsdir.d /etc/dnsmasq.d/hostsdir.d
cp -a /etc/ironpxe/ironpxe.toml /ironpxe.toml.before
sed -i 's/^#port = 6385/port = 80/; s/^#dhcp_provider = .*/dhcp_provider = "dnsmasq"/' /etc/ironpxe/ironpxe.toml
systemctl daemon-reload
systemctl restart ironpxe
api=http://127.0.0.1:80
ready
pid=$(systemctl show --property=MainPID --value ironpxe)
nsenter --target "$pid" --mount runuser -u ironpxe -- touch /etc/dnsmasq.d/optsdir.d/writable
fails nsenter --target "$pid" --mount touch /etc/dnsmasq.d/not-writable
cp -a /ironpxe.toml.before /etc/ironpxe/ironpxe.toml
rm -r /etc/systemd/system/ironpxe.service.d
systemctl daemon-reload
systemctl restart ironpxe
api=http://127.0.0.1:6385
ready
pid=$(systemctl show --property=MainPID --value ironpxe)

: upgrade
sed -i 's/^#ipxe_timeout = .*/ipxe_timeout = 7/' /etc/ironpxe/ironpxe.toml
grep '^ipxe_timeout = 7' /etc/ironpxe/ironpxe.toml
chmod 0710 /etc/ironpxe
for again in 1 2; do
    install_package /share/next.deb
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
fails systemctl is-active ironpxe
fails curl --silent "$api/healthz"
test -f /etc/ironpxe/ironpxe.toml
test -f /var/lib/ironpxe/ironpxe.sqlite
install_package /share/next.deb
ready
node

: purge
dpkg --no-triggers --purge ironpxe
fails systemctl is-active ironpxe
for path in /etc/ironpxe /var/lib/ironpxe /usr/bin/ironpxe /lib/systemd/system/ironpxe.service \
    /etc/systemd/system/multi-user.target.wants/ironpxe.service; do
    test ! -e "$path" -a ! -L "$path"
done

: nothing was killed by its system call filter, or restarted
fails journalctl --unit=ironpxe --grep='code=killed|code=dumped|status=31|Scheduled restart'
echo 'every step succeeded'
