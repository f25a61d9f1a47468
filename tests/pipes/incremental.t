A full backup, a day's work, and what changed since

$ mkdir -p srv/www/old srv/www/keep && echo one >srv/www/one && echo two >srv/www/old/two && echo three >srv/www/keep/three && ln -s one srv/www/link && touch -h -d @1700000000 srv/www/*

$ src_filesys -C srv www | proc_record --list full.list | sink_file full && head -1 full.list | cut -d' ' -f1,4,5 && tail -1 full.list | cut -d' ' -f1,2
# pax www
= 11

$ rm -r srv/www/old srv/www/link && mkdir srv/www/link && printf 'new\nname' >srv/www/"$(printf 'a\nb')" && chmod 600 srv/www/one

$ proc_list -C srv www | tr '\0' '\n' | sed 's/[0-9.]* [0-9.]* [0-9]*:[0-9]*/MTIME CTIME INODE/; s/^\(d .* \)[0-9]* /\1N /; 1s/ .*/ TIME/; s/ [0-9a-f]*$/ DIGEST/'
//tapioca-names/1 TIME
^ www
d 0 MTIME CTIME INODE N www
f 8 MTIME CTIME INODE 1 www/a
b
d 0 MTIME CTIME INODE N www/keep
f 6 MTIME CTIME INODE 1 www/keep/three
d 0 MTIME CTIME INODE N www/link
f 4 MTIME CTIME INODE 1 www/one
$ 7 0 DIGEST

$ 7 0 DIGEST
bash: line 2: 7: command not found
[127]

$ proc_list -C srv www | proc_since --list full.list | src_filesys -C srv --files-from - -0 | proc_record --list incr.list | sink_file incr; echo ${PIPESTATUS[@]}
0 0 0 0 0

$ tapioca list incr.list | grep ^- | tr -s ' '
- - - - - www/old/two
- - - - - www/old

$ for s in full incr; do src_file $s | proc_verify --list $s.list | sink_filesys -C back; done; diff -r srv back && stat -c %a back/www/one
sink_filesys: note: removed, as the stream says that it is gone (2, the first: www/old/two)
600

$ src_file incr | sink_stdout | tar tf - | sort
www/
www/a\nb
www/keep/
www/keep/three
www/link/
www/one

$ proc_list -C srv www nowhere --exclude keep | proc_since --list full.list --list incr.list | src_filesys -C srv --files-from - -0 | proc_record --list third.list | sink_null; echo ${PIPESTATUS[@]}
proc_list: cannot take nowhere as it is: it is gone
proc_list: done, but 1 left out (named above)
src_filesys: done, but 1 left out (named above)
1 0 1 0 0

$ grep '^[!-]' third.list
! vanished nowhere

$ proc_list -C srv www | head -c 300 | src_filesys -C srv --files-from - -0 | sink_file cut; echo ${PIPESTATUS[@]}; ls cut
src_filesys: the names are cut after record 4: whoever lists them was stopped
sink_file: src_filesys gave up: the names are cut after record 4: whoever lists them was stopped
0 0 111 111
ls: cannot access 'cut': No such file or directory
[2]

$ proc_list -C srv www | head -c 300 | proc_since --list full.list | src_filesys -C srv --files-from - -0 | sink_file cut; echo ${PIPESTATUS[@]}; ls cut
proc_since: the names are cut after record 4: whoever lists them was stopped
src_filesys: the names are cut after record 0: whoever lists them was stopped
sink_file: src_filesys gave up: the names are cut after record 0: whoever lists them was stopped
0 0 111 111 111
ls: cannot access 'cut': No such file or directory
[2]

$ find srv -print0 | proc_since --list full.list
proc_since: these are no names as proc_list prints them
proc_since: proc_list prints such names, and proc_since what changed of them
[111]

$ head -3 full.list >cut.list; proc_list -C srv www | proc_since --list cut.list
proc_since: cut.list:4: it is cut: its last line is missing
[100]

$ echo hello >no.list; proc_list -C srv www | proc_since --list no.list
proc_since: no.list:1: it does not begin as a list of proc_record does
proc_since: proc_record --list writes such a list, and library rebuild writes one anew
proc_list: cannot print the names: their reader is gone
[100]

$ grep -v one full.list >other.list; proc_list -C srv www | proc_since --list other.list
proc_since: other.list:10: what is before this line was changed
proc_list: cannot print the names: their reader is gone
[100]

$ echo dump | src_stdin --name dump | proc_record --list raw.list | sink_null; proc_list -C srv www | proc_since --list raw.list
proc_since: dump is no list of a file tree
[100]

$ proc_list -C srv www | src_filesys -C srv --files-from - -0 www | sink_null; echo ${PIPESTATUS[@]}
src_filesys: a list of proc_list or proc_since comes without PATHs
sink_null: src_filesys gave up: a list of proc_list or proc_since comes without PATHs
0 2 111
