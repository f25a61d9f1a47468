# What happens inside the guest. Runs under busybox with the host's mtx, the static `tapioca`, and two small programs
# of the driver crates: `raw` (one SCSI command) and `proof` (drive and changer logic from end to end). What is put
# under /out comes back to the host. The exit status is the verdict.
set -e
node() { # node TYPE: the sg nodes of a peripheral device type, in scan order
  for type in /sys/class/scsi_generic/sg*/device/type; do
    if [ "$(cat "$type")" = "$1" ]; then
      entry=${type%/device/type}
      echo "/dev/${entry##*/}"
    fi
  done
}
changer=$(node 8)
drives=$(node 1 | tr '\n' ' ')
echo "== changer $changer, drives $drives"

echo "== mtx"
mtx -f "$changer" status

echo "== what the drive answers"
drive=${drives%% *}
mtx -f "$changer" load 1 0
for question in \
  "6 050000000000" "20 34000000000000000000" "32 34060000000000000000" "32 34080000000000002000" \
  "0 92000000000000000000000000000000" "0 2b000000000000000000" "64 4d004000000000004000" \
  "64 8c00000000000000000000000040000000" "64 a30c80000000000000400000" "64 1a0000004000" "64 1a003f004000" \
  "0 1e0000000000" "0 82000000000000000000000000000000"; do
  for target in $drives; do raw "$target" $question; done
done 2>&1 | tee /out/answers
mtx -f "$changer" unload 1 0

echo "== drive and changer logic"
proof $changer $drives
