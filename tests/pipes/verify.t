Differences between a stream and its list are named

$ mkdir t && echo one >t/one && echo two >t/two && ln -s one t/z && touch -h -d @1700000000 t/* && tar c -C t one two z | src_stdin | proc_record --list L | sink_file x

$ src_file x | proc_verify --list L | sink_null; echo ${PIPESTATUS[@]}
0 0 0

$ src_file x | proc_verify | sink_null; echo ${PIPESTATUS[@]}
0 0 0

$ printf TWO >t/two && touch -d @1700000000 t/two && tar c -C t one two z | src_stdin | proc_verify --list L | sink_null; echo ${PIPESTATUS[@]}
proc_verify: two: its size is 3, not 4, its content differs
proc_verify: 2 agree, 1 differ, 0 missing, 0 not recorded
proc_verify: 1 do not agree (named above)
0 0 1 0

$ printf 'TWO\n' >t/two && tar c -C t one two z | src_stdin | proc_verify --list L | sink_null; echo ${PIPESTATUS[@]}
proc_verify: two: its time differs, its content differs
proc_verify: 2 agree, 1 differ, 0 missing, 0 not recorded
proc_verify: 1 do not agree (named above)
0 0 1 0

$ tar c -C t one | src_stdin | proc_verify --list L | sink_null; echo ${PIPESTATUS[@]}
proc_verify: two: recorded, but not in the stream
proc_verify: z: recorded, but not in the stream
proc_verify: 1 agree, 0 differ, 2 missing, 0 not recorded
proc_verify: 2 do not agree (named above)
0 0 1 0

$ grep -v two L >M; src_file x | proc_verify --list M | sink_null; echo ${PIPESTATUS[@]}
proc_verify: two: in the stream, but not recorded
proc_verify: 2 agree, 0 differ, 0 missing, 1 not recorded
proc_verify: 1 do not agree (named above)
0 1 0

$ tar c -C t one | src_stdin | proc_verify 2>err | sink_null 2>err2; echo ${PIPESTATUS[@]}; cat err err2
0 0 100 111
proc_verify: cannot verify: the stream brings no entries to compare with
proc_verify: give the list that proc_record wrote: --list FILE
sink_null: proc_verify gave up: cannot verify: the stream brings no entries to compare with

$ echo rubbish | src_stdin --kind pax | proc_verify --list L 2>err | sink_null 2>err2; echo ${PIPESTATUS[@]}; cat err err2
0 0 111 111
proc_verify: the archive is cut in a member, after byte 8
sink_null: proc_verify gave up: the archive is cut in a member, after byte 8

$ src_file x | proc_record --list again | sink_null; diff L again && echo same
same
