A catalogue that was lost comes back from the cartridges; check and export tell what is in it.

$ mkdir -p www/img && printf 'hello\n' > www/index.html && printf 'picture' > www/img/a.png

$ touch -d '2026-01-01 00:00:00Z' www www/img www/index.html www/img/a.png

$ tapioca library create lib --drives 1 --slots 3 --media 2 --capacity 4MiB > /dev/null

$ src_filesys --name web/www www | proc_record --list 1.list | sink_tape --drive virtual:lib#drive0 --changer virtual:lib#changer --block-bytes 65536

$ rm www/img/a.png && touch -d '2026-01-01 00:00:00Z' www/img

$ proc_list www | proc_since --list 1.list | src_filesys --name web/www --files-from - -0 | proc_record --list 2.list |
>   sink_tape --drive virtual:lib#drive0 --changer virtual:lib#changer --block-bytes 65536

$ tapioca catalogue rebuild --drive virtual:lib#drive0 --changer virtual:lib#changer --to catalogue
JOB  BYTES  ENTRIES  LEVEL    STATE  MACHINE  NAME
  1   4096        4  full     done   web      www
  2   4096        3  since 1  done   web      www

$ tapioca catalogue check catalogue | grep -v bytes
job          2
medium       2
set          1
file lists   2
their lines  12
wrong        0

$ tapioca catalogue export catalogue | grep -c '"record"'
5

$ tapioca catalogue export catalogue | grep -o '"line":"- .*'
"line":"- www/img/a.png"}

$ tapioca catalogue export catalogue --records-only --to records && tail -c 3 records
}}

$ tapioca catalogue rebuild --drive virtual:lib#drive0 --changer virtual:lib#changer --to catalogue
catalogue rebuild: catalogue is there; give the new catalogue another name
[100]

$ stat -c '%a %n' catalogue records
600 catalogue
600 records

$ head -c -9 records > cut

$ tapioca catalogue rebuild --drive virtual:lib#drive0 --changer virtual:lib#changer --to other --records cut
catalogue rebuild: cut:7: it is cut: its last line is missing
catalogue rebuild: catalogue export writes such a file
[100]

$ tapioca catalogue check nothing
catalogue check: catalogue: cannot open nothing: I/O error: No such file or directory (os error 2)
[100]

$ printf 'this is no catalogue' > text

$ tapioca catalogue check text
catalogue check: catalogue: cannot open text: I/O error: Not a redb database: magic number mismatch
catalogue check: keep the file as it is; catalogue rebuild makes a new one from the cartridges
[100]
