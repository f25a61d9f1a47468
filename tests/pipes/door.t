A device in a process of its own: who commands it through a door needs no right to it

$ tapioca library create lib --drives 1 --slots 3 --media 3 --capacity 4MiB >created; mkdir tree back; head -c 6M /dev/urandom >tree/big; echo hello >tree/small

$ for device in drive0 changer; do timeout 100 tapioca door --device virtual:lib#$device --socket $device >$device.log 2>&1 & echo $! >>doors; done; until [ -S drive0 ] && [ -S changer ]; do sleep 0.1; done

$ stat -c '%A %n' drive0 changer
srw-rw---- drive0
srw-rw---- changer

$ tapioca drive status --drive virtual:lib#drive0 2>&1 | sed 's/by pid [0-9]*$/by its door/; s,:/.*/,:,'
drive status: cannot open virtual:lib#drive0: virtual:lib#drive0: in use by its door
drive status: name a device as /dev/sgN, virtual:DIR#drive0, virtual:DIR#changer or door:SOCKET

$ src_filesys -C tree . | proc_record --list list | sink_tape --drive door:drive0 --changer door:changer --sync-mib 1 --block-bytes 65536

$ tapioca library status --changer door:changer | grep full
TAPIOCA VIRTUAL-ROBOT serial VRBF5B5000: full are 1 of 1 drives, 2 of 3 slots, 0 of 2 mail slots
drive:0      256  full   TAP003L9  slot:3  VD756F2000
slot:1      1024  full   TAP001L9  -       -
slot:2      1025  full   TAP002L9  -       -

$ src_tape --drive door:drive0 --changer door:changer --volume TAP001L9 | proc_verify --list list | sink_filesys -C back && diff -r tree back && echo same
same

$ python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.connect("drive0"); print(s.recv(1)); s.send(b"nonsense" * 4); s.shutdown(1); print(s.recv(9))' 2>&1 | tail -1
ConnectionResetError: [Errno 104] Connection reset by peer

$ cat drive0.log changer.log
 WARN virtual:lib#drive0: a commander left in the middle of a sentence: nothing that can be asked of a device: 110

$ kill $(cat doors); sleep 0.2; tapioca drive status --drive door:drive0
drive status: cannot open door:drive0: Connection refused (os error 111)
drive status: name a device as /dev/sgN, virtual:DIR#drive0, virtual:DIR#changer or door:SOCKET
[111]
