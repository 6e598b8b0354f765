#!/bin/bash
# guest.sh FOLDER: makes FOLDER/vmlinuz and FOLDER/initrd.img, a Linux that asks for an address, says what it got and how it was started on its serial
# console, and stays up. Debian's kernel for clouds, downloaded and not installed, and busybox.
set -euo pipefail
folder=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
chmod 755 .
package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2; exit }')
apt-get download -q "$package" >&2
dpkg -x linux-image-*.deb kernel
version=$(ls kernel/lib/modules)
root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,etc,modules} "$folder"
cp "$(command -v busybox)" "$root/bin/busybox"
for library in $(ldd "$root/bin/busybox" | grep -o '/[^ ]*'); do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
depmod -b kernel "$version"
for module in virtio_pci virtio_net af_packet; do
  modprobe -d kernel -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' | while read -r file; do
  cp "$file" "$root/modules/"
  basename "$file" >>"$root/modules/order"
done
cat >"$root/bin/lease" <<'LEASE'
#!/bin/busybox sh
[ "$1" = bound ] || exit 0
/bin/busybox ip addr add "$ip/$mask" dev "$interface"
echo "GUEST address $ip lease $lease from $serverid"
LEASE
cat >"$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
exec >/dev/ttyS0 2>&1
echo "GUEST up $(cat /proc/cmdline)"
while read -r module; do insmod "/modules/$module"; done </modules/order
card=
while [ -z "$card" ]; do card=$(ls /sys/class/net | grep -v '^lo$' | head -n1); done
ip link set "$card" up
udhcpc -i "$card" -f -t 30 -T 1 -s /bin/lease
INIT
chmod +x "$root/init" "$root/bin/lease"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) >"$folder/initrd.img"
cp kernel/boot/vmlinuz-* "$folder/vmlinuz"
