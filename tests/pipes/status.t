Exit statuses and what is said

$ src_file nowhere 2>err | sink_null 2>err2; echo ${PIPESTATUS[@]}; cat err err2
111 111
src_file: cannot read nowhere: No such file or directory (os error 2)
sink_null: src_file gave up: cannot read nowhere: No such file or directory (os error 2)

$ src_exec -- sh -c 'echo half; exit 3' 2>err | sink_file x 2>err2; echo ${PIPESTATUS[@]}; cat err err2; ls
111 111
src_exec: sh exited with status 3
sink_file: src_exec gave up: sh exited with status 3
err
err2

$ src_exec -- sh -c 'echo half; kill -9 $$' 2>err | sink_stdout 2>err2; echo ${PIPESTATUS[@]}; cat err err2
half
111 111
src_exec: sh was killed by signal 9
sink_stdout: src_exec gave up: sh was killed by signal 9

$ { src_exec -- sh -c 'echo half; kill -9 $PPID' | sink_file x; } 2>err; echo ${PIPESTATUS[@]}; grep ^sink_file err; ls
137 111
sink_file: the stream is cut after byte 0: it closed without an end, so its writer died or was stopped
err
err2

$ src_exec -- /no/such/command 2>&1 >/dev/null
src_exec: cannot run /no/such/command: No such file or directory (os error 2)
[100]

$ src_exec 2>&1 | head -1
error: the following required arguments were not provided:

$ proc_compress --codec gzip </dev/null 2>&1 | head -1
error: invalid value 'gzip' for '--codec <CODEC>'

$ proc_compress --level 99 </dev/null 2>&1 >/dev/null
proc_compress: zstd has levels -131072 to 22, not 99
[2]

$ proc_compress --codec lz4 --level 3 </dev/null 2>&1 >/dev/null
proc_compress: lz4 has no levels
[2]

$ echo a | src_stdin >s; proc_decompress <s 2>err | sink_file x 2>err2; echo ${PIPESTATUS[@]}; cat err err2; ls
100 111
proc_decompress: cannot decompress stdin: it has no layers
sink_file: proc_decompress gave up: cannot decompress stdin: it has no layers
err
err2
s

$ echo a | src_stdin | proc_compress >s; proc_record --list L <s 2>err | sink_null 2>err2; echo ${PIPESTATUS[@]}; cat err err2; ls
100 111
proc_record: cannot record stdin: its outermost layer is zstd
proc_record: put it before what adds layers, or after what takes them off
sink_null: proc_record gave up: cannot record stdin: its outermost layer is zstd
err
err2
s

$ echo old >x && touch x.partial && sink_file x <s; rm x.partial; cat x
sink_file: cannot create x.partial: File exists (os error 17)
sink_file: someone else is writing it, or was stopped and it can be removed
old

$ mkdir d && sink_file d <s
sink_file: cannot replace d: it is not a file
[100]

$ echo not a stream | sink_null
sink_null: the stream is cut after byte 0: it closed without an end, so its writer died or was stopped
[111]

$ echo a | src_stdin | sink_file x && echo more >>x && src_file x 2>&1 >/dev/null
src_file: x: bytes follow the stream's end
[100]

$ { src_exec -- yes 2>err | head -c 100000 >/dev/null; }; echo ${PIPESTATUS[@]}; cat err
111 0
src_exec: cannot write the stream: its reader is gone

$ sink_stdout <s >/dev/full
sink_stdout: cannot write the data: No space left on device (os error 28)
[111]
