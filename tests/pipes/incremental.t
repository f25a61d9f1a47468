A full backup, a day's work, and what changed since

$ mkdir -p srv/www/old srv/www/keep && echo one >srv/www/one && echo two >srv/www/old/two && echo three >srv/www/keep/three && ln -s one srv/www/link && touch -h -d @1700000000 srv/www/*

$ src_filesys -C srv www | proc_record --list full.list | sink_file full && head -1 full.list | cut -d' ' -f1,4,5 && tail -1 full.list | cut -d' ' -f1,2
# pax www
= 11

$ rm -r srv/www/old srv/www/link && mkdir srv/www/link && printf 'new\nname' >srv/www/"$(printf 'a\nb')" && chmod 600 srv/www/one

$ proc_list -C srv www | tr '\0' '\n' | sed 's/[0-9.]* [0-9.]* [0-9]*:[0-9]*/MTIME CTIME INODE/; s/^\(d .* \)[0-9]* /\1N /; 1s/ .*/ TIME/; s/^. \([0-9]* [0-9]*\) [0-9a-f]*$/END \1 DIGEST/'
//tapioca-names/1 TIME
^ www
d 0 MTIME CTIME INODE N www
f 8 MTIME CTIME INODE 1 www/a
b
d 0 MTIME CTIME INODE N www/keep
f 6 MTIME CTIME INODE 1 www/keep/three
d 0 MTIME CTIME INODE N www/link
f 4 MTIME CTIME INODE 1 www/one
END 7 0 DIGEST

$ proc_list -C srv www | proc_since --list full.list | src_filesys -C srv --files-from - -0 | proc_record --list incr.list | sink_file incr; echo ${PIPESTATUS[@]}
0 0 0 0 0

$ tapioca list incr.list | grep ^- | tr -s ' '
- - - - - www/old/two
- - - - - www/old

$ for s in full incr; do src_file $s | proc_verify --list $s.list | sink_filesys -C back; done; diff -r srv back && stat -c %a back/www/one
sink_filesys: note: removed, as the stream says that it is gone (2, the first: www/old/two)
600

$ grep -v '^- www/old$' incr.list >short.list; src_file incr | proc_verify --list short.list | sink_null; echo ${PIPESTATUS[@]}
proc_verify: www/old: gone in the stream or the list, not in both
proc_verify: 7 agree, 1 differ, 0 missing, 0 not recorded
proc_verify: 1 do not agree (named above)
0 1 0

$ : >empty; src_filesys -C srv --files-from empty -0 2>err | sink_file cut 2>err2; echo ${PIPESTATUS[@]}; cat err err2
111 111
src_filesys: the list of names is empty: whoever makes it was stopped
sink_file: src_filesys gave up: the list of names is empty: whoever makes it was stopped

$ src_file incr | sink_stdout | tar tf - | sort
www/
www/a\nb
www/keep/
www/keep/three
www/link/
www/one

$ proc_list -C srv www nowhere --exclude keep >names; proc_since --list full.list --list incr.list <names | src_filesys -C srv --files-from - -0 | proc_record --list third.list | sink_null; echo ${PIPESTATUS[@]}
proc_list: cannot take nowhere as it is: it is gone
proc_list: done, but 1 left out (named above)
src_filesys: done, but 1 left out (named above)
0 1 0 0

$ grep '^[!-]' third.list
! vanished nowhere

$ proc_list -C srv www >names; head -c 300 names | src_filesys -C srv --files-from - -0 2>err | sink_file cut 2>err2; echo ${PIPESTATUS[@]}; cat err err2; ls cut
0 111 111
src_filesys: the names are cut after record 4: whoever lists them was stopped
sink_file: src_filesys gave up: the names are cut after record 4: whoever lists them was stopped
ls: cannot access 'cut': No such file or directory
[2]

$ head -c 300 names | proc_since --list full.list | src_filesys -C srv --files-from - -0 2>err | sink_file cut 2>err2; echo ${PIPESTATUS[@]}; cat err err2; ls cut
proc_since: the names are cut after record 4: whoever lists them was stopped
0 111 111 111
src_filesys: the names are cut after record 0: whoever lists them was stopped
sink_file: src_filesys gave up: the names are cut after record 0: whoever lists them was stopped
ls: cannot access 'cut': No such file or directory
[2]

$ find srv -print0 >found; proc_since --list full.list <found
proc_since: these are no names as proc_list prints them
proc_since: proc_list prints such names, and proc_since what changed of them
[111]

$ head -3 full.list >cut.list; proc_since --list cut.list <names
proc_since: cut.list:4: it is cut: its last line is missing
[100]

$ echo hello >no.list; proc_since --list no.list <names
proc_since: no.list:1: it does not begin as a list of proc_record does
proc_since: proc_record --list writes such a list, and library rebuild writes one anew
[100]

$ grep -v one full.list >other.list; proc_since --list other.list <names
proc_since: other.list:10: what is before this line was changed
[100]

$ echo dump | src_stdin --name dump | proc_record --list raw.list | sink_null; proc_since --list raw.list <names
proc_since: dump is no list of a file tree
[100]

$ src_filesys -C srv --files-from - -0 www <names 2>err | sink_null 2>err2; echo ${PIPESTATUS[@]}; cat err err2
2 111
src_filesys: a list of proc_list or proc_since comes without PATHs
sink_null: src_filesys gave up: a list of proc_list or proc_since comes without PATHs
