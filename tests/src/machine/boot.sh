# From new namespaces to systemd. $1: the machine's folder, with `files` to be put into it.
PATH="$PATH:/usr/sbin:/sbin"
mount --make-rprivate /
mkdir -p "$1/box"
mount -t tmpfs tmpfs "$1/box"
mkdir "$1/box/upper" "$1/box/work" "$1/box/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/box/upper,workdir=$1/box/work" "$1/box/root"
files=$1/files
cd "$1/box/root"
cp -a "$files/." .
chown -R 0:0 etc/mysql-mmm
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for folder in run tmp dev; do
    mount -t tmpfs tmpfs $folder
done
mkdir dev/pts dev/shm
for node in null zero full random urandom tty; do
    touch dev/$node
    mount --bind /dev/$node dev/$node
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
# What would reach beyond the machine, or takes long.
for unit in systemd-sysctl.service systemd-modules-load.service systemd-remount-fs.service \
    systemd-udevd.service systemd-udev-trigger.service systemd-journal-flush.service \
    systemd-random-seed.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount; do
    ln -sf /dev/null etc/systemd/system/$unit
done
cat > etc/systemd/system/mmm-test.target <<END
[Unit]
Requires=basic.target
Wants=dbus.service
After=basic.target dbus.service
AllowIsolate=yes
END
hostname machine
mkdir -p mnt
pivot_root . mnt
umount -l /mnt
systemd-sysusers
chgrp -R mmm /etc/mysql-mmm
exec env -i container=mmm PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=mmm-test.target
