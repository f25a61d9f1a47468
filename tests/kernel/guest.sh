# What happens inside the guest. Runs under busybox with the host's mtx, the static `tapioca`, and two small programs
# of the driver crates: `raw` (one SCSI command), `proof` (drive and changer logic from end to end) and `vanish` (a drive
# that goes away). What is put
# under /out comes back to the host. The exit status is the verdict.
set -e -o pipefail
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
# Cartridge 4 holds three filemarks and nothing else for this; the drives not loaded answer 02/3A/00.
mtx -f "$changer" load 4 0
for question in \
  "0 000000000000" "6 050000000000" "32 1201b0002000" "20 34000000000000000000" "32 34060000000000000000" \
  "32 34080000000000002000" "0 92000000000000000000000000000000" "0 2b000000000000000000" "64 4d004000000000004000" \
  "64 8c000000000000000000000040000000" "512 a30c80000000000002000000" "64 1a0000004000" "255 1a003f00ff00" \
  "0 1e0000000000" "0 190000000000" "0 010000000000" "0 100000000300" "0 110000000100" "0 010000000000" "0 110000000200" \
  "0 1100fffffe00" "0 1101fffffe00" "0 110100000900" "0 1101fffff700" "0 110300000000" "4096 080000100000" \
  "0 010000000000" "4096 080000100000"; do
  for target in $drives; do raw "$target" $question; done
done >/out/answers 2>&1
echo "$(wc -l </out/answers) answers to /out/answers"
mtx -f "$changer" unload 4 0

echo "== drive and changer logic"
proof $changer $drives

robots_agree() { # mtx and our own status print the same robot
  tapioca library status --changer "$changer" | tee /out/status |
    awk '$1 ~ /^slot:/ { sub("slot:", "", $1); print $1, $3, ($3 == "full" ? $4 : "-") }' >/tmp/ours
  mtx -f "$changer" status | tee /out/mtx-status |
    sed -n 's/ *Storage Element \([0-9]*\):Full :VolumeTag=\([^ ]*\).*/\1 full \2/p; s/ *Storage Element \([0-9]*\):Empty.*/\1 empty -/p' >/tmp/theirs
  diff /tmp/ours /tmp/theirs
}

echo "== the robot, as mtx sees it and as we do"
robots_agree
cat /out/status

echo "== a tree over several cartridges and back"
mkdir -p /data/sub /back /one
head -c 150000000 /dev/urandom >/data/big
for i in $(seq 200); do echo "file $i" >"/data/sub/$i"; done
ln -s big /data/link
drive=$(echo $drives | cut -d" " -f2)
# Cartridges 1 and 4 hold foreign data by now: they are looked at and left alone. This changer does not say which
# drive is which, so the bay is found by trying.
mkfifo /tmp/up
tapioca src_filesys -C /data . | tapioca proc_record --list /out/list 4</tmp/up |
  tapioca sink_tape --drive "$drive" --changer "$changer" --sync-mib 8 3>/tmp/up
tapioca list /out/list | head -n 3
media=$(awk '$1 == "@" { print $5 }' /out/list | sort -u | tr '\n' ' ')
echo "written to $media"
[ "$(echo $media | wc -w)" -ge 3 ]
robots_agree
first=${media%% *}
tapioca src_tape --drive "$drive" --changer "$changer" --volume "$first" | tapioca proc_verify | tapioca sink_filesys -C /back
diff -r /data /back
echo "restored as it was"
tapioca src_tape --drive "$drive" --changer "$changer" --volume "$first" --list /out/list --only sub/77 | tapioca sink_filesys -C /one
diff /data/sub/77 /one/sub/77
echo "one file restored"

echo "== what the media say by themselves"
tapioca library list --drive "$drive" --changer "$changer"
tapioca library rebuild --drive "$drive" --changer "$changer" --to /tmp/rebuilt
# The last line sums the others up in their order, which differs.
grep -v '^= ' /out/list | sort >/tmp/kept
grep -v '^= ' /tmp/rebuilt/*.list | sort >/tmp/found
diff /tmp/kept /tmp/found
echo "rebuilt from the media, equal to the list kept then"

echo "== read by the kernel's own tape driver, without us"
tapioca library unload --changer "$changer" >/dev/null || true
tapioca library load --changer "$changer" --volume "$first" --drive-bay 1
for drive in $drives; do
  node=/dev/$(basename /sys/class/scsi_generic/"${drive#/dev/}"/device/scsi_tape/nst[0-9])
  mt -f "$node" rewind && mt -f "$node" setblk 0 && break
done
mkdir /tmp/dump
# Label and kit, and the one part. At the end of data this target makes the kernel's driver invent a block, so no more.
for file in 0 1; do dd if="$node" of=/tmp/dump/file00$file bs=1M 2>/dev/null; done
python3 /add/reader.py check /tmp/dump

robots_agree
tapioca drive status --drive "$drive"
tapioca library unload --changer "$changer" || true

echo "== a node that is open elsewhere is refused"
drive=${drives%% *}
if (exec 3<>"$drive"; raw "$drive" 0 000000000000 2>&1); then
  echo "two programs on one drive"
  exit 1
fi

echo "== a drive that vanishes and comes back"
for drive in $drives; do vanish "$drive"; done

echo "== a device that moves less than asked, and one that does not answer"
for module in crct10dif_common crc-t10dif; do insmod "/modules/$module.ko"; done
insmod /modules/scsi_debug.ko ptype=1
faulty=$(node 1 | tail -n 1)
faults=/sys/bus/pseudo/drivers/scsi_debug
raw "$faulty" 0 000000000000
raw "$faulty" 252 12018000fc00 | tee /tmp/answer
grep -q '244 bytes not moved, 8 bytes' /tmp/answer
echo 1 >$faults/every_nth
echo 4 >$faults/opts
raw "$faulty" 0 000000000000 1 | tee /tmp/answer
grep -q 'timed out' /tmp/answer
echo 0 >$faults/opts
raw "$faulty" 0 000000000000
