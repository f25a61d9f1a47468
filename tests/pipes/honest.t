Honest shell lines: an archive goes through a pudding and comes back

$ mkdir tree && echo one >tree/a && echo two >tree/b && ln -s a tree/link && truncate -s 3M tree/hole && seq 300000 >tree/numbers

$ tar c tree | src_stdin | proc_compress | sink_file x; echo ${PIPESTATUS[@]}; ls
0 0 0 0
tree
x

$ mkdir back && src_file x | proc_decompress | sink_stdout | tar x -C back; echo ${PIPESTATUS[@]}
0 0 0 0

$ diff -r tree back/tree && echo same
same

$ src_file x | sink_stdout | zstd -dc | tar t | sort
tree/
tree/a
tree/b
tree/hole
tree/link
tree/numbers

$ tar c tree | src_stdin | proc_compress --codec lz4 | sink_file y; src_file y | sink_stdout | lz4 -dc | tar d && echo same
same

$ tar c tree | src_stdin | proc_compress --level 19 | proc_compress --codec lz4 | proc_decompress | proc_decompress | sink_stdout | tar d && echo same
same

$ src_exec -- tar c tree | proc_record | proc_verify | sink_null; echo ${PIPESTATUS[@]}
0 0 0 0

$ src_stdin </dev/null | proc_compress | proc_decompress | sink_stdout | wc -c
0

$ src_exec -- sh -c 'ls /proc/self/fd | head -3; readlink /proc/self/fd/0' 5</etc/passwd | sink_stdout
0
1
2
/dev/null

$ mkfifo up && (tar c tree | src_stdin | sink_file z 3>up & cat <up >/dev/null; wait); cmp <(src_file z | sink_stdout) <(tar c tree) && echo same
same

$ mkdir out && src_filesys -C tree . | proc_record --list L | proc_compress | sink_file w && src_file w | proc_decompress | proc_verify --list L | sink_filesys -C out; echo ${PIPESTATUS[@]}; diff -r tree out && echo same
0 0 0 0
same
