# Runs as process 1 of a machine's new namespaces: mounts its world, asks for its network link,
# then becomes systemd. Arguments: machine directory, lower layers, host name, console device,
# cgroup kinds, programme to become. Stdin is a socket to the runner, for a handshake of two words.
set -eu
dir=$1 lower=$2 name=$3 console=$4 kinds=$5 init=$6
root=$dir/root

mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$dir/upper,workdir=$dir/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"

mount -t tmpfs -o mode=755,size=64k tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue" "$root/dev/net"
for device in null zero full random urandom tty kmsg fuse net/tun loop-control; do
  [ -e "/dev/$device" ] || continue
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
: > "$root/dev/console"
mount --bind "$console" "$root/dev/console"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
mount -t mqueue mqueue "$root/dev/mqueue"
mount -t tmpfs -o mode=755 tmpfs "$root/run"

if [ "$kinds" = v2 ]; then
  mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
  mount -t tmpfs -o mode=755 tmpfs "$root/sys/fs/cgroup"
  for kind in $kinds; do
    at=$root/sys/fs/cgroup/${kind#name=}
    mkdir "$at"
    case $kind in
      unified) mount -t cgroup2 cgroup2 "$at" ;;
      name=*) mount -t cgroup -o "none,$kind" cgroup "$at" ;;
      *) mount -t cgroup -o "$kind" cgroup "$at" ;;
    esac
    case $kind in
      *,*) for one in $(echo "$kind" | tr , ' '); do ln -s "$kind" "${at%/*}/$one"; done ;;
    esac
  done
fi

# The overlay file system refuses an overlay as its upper layer: container layers, volumes and
# the database of etcd lie on the host's own file system.
for directory in containerd kubelet etcd; do
  mkdir -p "$root/var/lib/$directory"
  mount --bind "$dir/data/$directory" "$root/var/lib/$directory"
done

echo "$name" > "$root/proc/sys/kernel/hostname"
# Of the kernel's settings a machine may change those of its network namespace only.
mount --bind "$root/proc/sys" "$root/proc/sys"
mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
mount -o remount,bind,ro "$root/proc/sys"
if [ -e "$root/proc/sysrq-trigger" ]; then
  mount --bind "$root/proc/sysrq-trigger" "$root/proc/sysrq-trigger"
  mount -o remount,bind,ro "$root/proc/sysrq-trigger"
fi
(cd "$dir/fake/sysctl" && find . -type f) | while read -r file; do
  mount --bind "$dir/fake/sysctl/$file" "$root/proc/sys/$file"
done
mount --bind "$dir/fake/meminfo" "$root/proc/meminfo"
mount --bind "$dir/fake/cpuinfo" "$root/proc/cpuinfo"
mount --bind "$dir/fake/cpu" "$root/sys/devices/system/cpu"
if [ -e "$root/sys/devices/system/node" ]; then
  mount --bind "$dir/fake/node" "$root/sys/devices/system/node"
fi

echo 1 > "$root/proc/sys/net/ipv4/ip_forward"
bridge=$root/proc/sys/net/bridge/bridge-nf-call-iptables
[ ! -e "$bridge" ] || echo 1 > "$bridge"
ip link set lo up

# Handshake: the runner plugs the link while this waits. End of file means that it gave up.
printf 'ready\n' >&0
read -r answer
[ "$answer" = go ]

cd "$root"
pivot_root . mnt
exec < /dev/null
umount -l /mnt
mount --make-rshared /
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  container=holdfast TERM=linux "$init"
