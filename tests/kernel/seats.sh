# What happens inside the guest to the seats of the box's processes: `probe` takes each and tries what it must not do.
# The exit status is the verdict.
set -e
mkdir -p /etc /run/tapioca/net /run/tapioca/updater/images /data/tapioca
touch /etc/passwd /etc/group
# The disk of a box: boot partition, settings, data.
for _ in $(seq 50); do
  [ -b /dev/vda3 ] && break
  usleep 100000
done
chown 101:101 /dev/vda2
ln -s /dev/vda2 /run/tapioca/meta
echo rows >/data/tapioca/catalogue
chown -R 104:104 /data/tapioca
chmod 0710 /data/tapioca
chmod 0600 /data/tapioca/catalogue
# What serve may execute is the executable of the box, which here is the probe.
cp /bin/probe /probe
mv /probe /init
# sg0 is the robot, sg1 a drive.
drive=$(tail -c +5 /sys/class/scsi_generic/sg1/device/vpd_pg80 | tr -d ' \0')
wrong=0
for child in steward "console ttyS0" net "scsi_door drive-$drive" updater serve; do
  probe $child || wrong=1
done
exit $wrong
