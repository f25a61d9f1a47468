# What happens inside the guest with the virtual library: the kernel's drivers and sg3_utils, mtx and mt-st say what they
# make of it, then the executable meets its faults through real sg nodes. `play WORD` has the host play faults/WORD.toml.
# The exit status is the verdict.
set -e -o pipefail
mkdir -p /etc && touch /etc/passwd /etc/group
stty -F /dev/ttyS2 raw -echo
exec 9<>/dev/ttyS2
play() {
  echo "$1" >&9
  read -r answer <&9
  [ "$answer" = "$1" ]
}
node() { # node TYPE: the sg nodes of a peripheral device type, in scan order
  for type in /sys/class/scsi_generic/sg*/device/type; do
    if [ "$(cat "$type")" = "$1" ]; then
      entry=${type%/device/type}
      echo "/dev/${entry##*/}"
    fi
  done
}
same() { # same WHAT A B
  [ "$2" = "$3" ] || { echo "$1: '$2' and '$3'"; exit 1; }
  echo "$1: $2"
}
changer=$(node 8)
drives=$(node 1 | tr '\n' ' ')
# The drive in the first bay: its serial number ends in 000.
for unit in $drives; do
  case $(tail -c +5 "/sys/class/scsi_generic/${unit#/dev/}/device/vpd_pg80") in *000) drive=$unit ;; esac
done
echo "== changer $changer, drives $drives, in the first bay $drive"

echo "== sg_inq, sg_vpd, sg_luns: who they are"
for unit in $drives $changer; do
  sg_inq "$unit" | grep -E 'vendor|product|Unit serial' || true
  serial=$(sg_vpd -p sn "$unit" | sed -n 's/ *Unit serial number: //p')
  sg_vpd -p di "$unit" | grep -q T10 || { echo "$unit: no T10 designator"; exit 1; }
  kept=$(tail -c +5 "/sys/class/scsi_generic/${unit#/dev/}/device/vpd_pg80")
  same "serial as sg_vpd and the kernel read it" "$serial" "$kept"
done

echo "== mtx: where the cartridges are"
mtx -f "$changer" status
mtx -f "$changer" load 1 0
mtx -f "$changer" status | grep -q 'Data Transfer Element 0:Full (Storage Element 1 Loaded)'

echo "== mt-st and the kernel's st driver: a tape like any other"
for st in /sys/class/scsi_generic/"${drive#/dev/}"/device/scsi_tape/nst[0-9]; do tape=/dev/${st##*/}; done
mt-st -f "$tape" rewind
mt-st -f "$tape" setblk 0
mt-st -f "$tape" status | tee /tmp/status
grep -q 'BOT' /tmp/status
head -c 3000000 /dev/urandom >/tmp/noise
for copy in 1 2 3; do dd if=/tmp/noise of="$tape" bs=64k 2>/dev/null; done
mt-st -f "$tape" status | grep -q "File number=3"
mt-st -f "$tape" rewind
mt-st -f "$tape" fsf 2
dd if="$tape" of=/tmp/back bs=64k 2>/dev/null
cmp /tmp/noise /tmp/back
mt-st -f "$tape" eod
mt-st -f "$tape" tell
echo "three files written, the third read back alike"

echo "== sg_logs, sg_read_attr: what they know of themselves"
sg_logs -a "$drive" >/out/logs 2>&1 || { tail -n 5 /out/logs; exit 1; }
grep -E 'page' /out/logs | head -n 40
sg_read_attr "$drive" >/out/attributes 2>&1 || { tail -n 5 /out/attributes; exit 1; }
grep -E 'Medium serial|Remaining capacity|Maximum capacity|Load count|manufacturer' /out/attributes
! grep -qi -E 'malformed|too short|truncated|invalid' /out/logs /out/attributes
mt-st -f "$tape" rewoffl
mtx -f "$changer" unload 1 0

echo "== a tree over several cartridges and back: early warning through the kernel"
mkdir -p /data/sub /back
head -c 100000000 /dev/urandom >/data/big
for i in $(seq 100); do echo "file $i" >"/data/sub/$i"; done
backup() { # backup DIR LIST: 0 when all is on tape
  rm -f /tmp/up && mkfifo /tmp/up
  tapioca src_filesys -C "$1" . | tapioca proc_record --list "$2" 4</tmp/up |
    tapioca sink_tape --drive "$drive" --changer "$changer" --sync-mib 8 3>/tmp/up
}
restore() { # restore LIST DIR
  rm -rf "$2" && mkdir "$2"
  tapioca src_tape --drive "$drive" --changer "$changer" --volume "$(awk '$1 == "@" { print $5; exit }' "$1")" |
    tapioca sink_filesys -C "$2"
}
backup /data /tmp/list
media=$(awk '$1 == "@" { print $5 }' /tmp/list | sort -u | tr '\n' ' ')
echo "written to $media"
[ "$(echo $media | wc -w)" -ge 2 ]
restore /tmp/list /back
diff -r /data /back
echo "restored as it was"

mkdir /small
head -c 12000000 /dev/urandom >/small/noise
meet() { # meet FAULT written|refused WORDS: backs up while it is played; that ends so, with these words told
  echo "== $1"
  play "$1"
  status=0
  backup /small "/tmp/$1.list" 2>/tmp/said || status=$?
  play none
  grep -v -e '^src_filesys' -e '^proc_record' /tmp/said | head -n 3 || true
  case $2 in
  written)
    [ $status -eq 0 ]
    restore "/tmp/$1.list" /met
    diff -r /small /met
    ;;
  refused) [ $status -ne 0 ] ;;
  esac
  [ -z "$3" ] || grep -q "$3" /tmp/said
  echo "$1: $2"
}
meet busy written ''
meet microcode written ''
meet reset written ''
meet deferred written ''
meet path written ''
meet write-error written ''
meet reserved refused 'another host holds it'

echo "== a place that cannot be read at first"
play read-error
restore /tmp/list /back
play none
diff -r /data /back
echo "read again, and restored as it was"

meet clean refused 'cleaning required'
tapioca drive alerts --drive "$drive" | tee /tmp/alerts
grep -q 'clean the drive now' /tmp/alerts
tapioca library unload --changer "$changer"
tapioca library load --changer "$changer" --volume CLN001L1 --drive-bay 0
for _ in $(seq 50); do tapioca library unload --changer "$changer" 2>/tmp/said && break; usleep 200000; done
tapioca drive alerts --drive "$drive"
! sg_logs -p 0x2e "$drive" | grep -i 'clean now: 1'
echo "the drive is clean"

echo "== a robot that is stuck, and freed"
play jam
if tapioca library load --changer "$changer" --volume TAP001L9 --drive-bay 0 2>/tmp/said; then
  echo "it moved"
  exit 1
fi
head -n 1 /tmp/said
grep -q 'mechanism is stuck' /tmp/said
play none
tapioca library load --changer "$changer" --volume TAP001L9 --drive-bay 0
tapioca library unload --changer "$changer"

echo "== what each process of the box may do, in its seat"
sh /add/seats.sh
