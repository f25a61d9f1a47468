Streams meet on one edge, are copied, and part again

$ for n in 1 2 3; do seq ${n}00000 >f$n; done; mkfifo in1 in2 in3 up1 up2 up3 low out1 out2 low1 low2

$ client() { src_exec --name f$1 -- cat f$1 | proc_record --list L$1 4<up$1 >in$1; }
> for n in 1 2 3; do client $n & done
> sink_file first <out1 3>low1 & sink_file second <out2 3>low2 &
> fun_mux in1 in2 in3 --turn-mib 1 --up up1 up2 up3 4<low | tee_mirror out1 out2 --below low1 low2 3>low; echo ${PIPESTATUS[@]}; wait; ls L?
0 0
L1
L2
L3

$ for n in 1 2 3; do grep ^@ L$n | awk '{ if ($2 != end[$5]) print "gap"; end[$5] = $3 } END { print end["first"], end["second"] }'; done; wc -c <f3
588895 588895
1288895 1288895
1988895 1988895
1988895

$ tapioca list L1 | sed 's/20..-..-.. ..:..:..Z/TIME                /; s/  *[0-9]* f1/ BLOCK f1/; s/first\|second/first or second/'
T          BYTES TIME (UTC)           MEDIUM            BLOCK PATH
f         588895 TIME                 first or second BLOCK f1
+                                     first or second BLOCK f1

$ cmp first second && src_file first | sink_null && { src_file first | proc_compress | sink_null; } 2>&1 | sort
proc_compress: cannot compress streams that take turns on one edge
proc_compress: put it before fun_mux, or behind fun_demux: there each stream is alone
sink_null: proc_compress gave up: cannot compress streams that take turns on one edge
src_file: cannot write the stream: its reader is gone

$ for n in 1 2 3; do sink_stdout <in$n | cksum >c$n & done; src_file second | fun_demux in1 in2 in3; echo ${PIPESTATUS[@]}; wait; diff <(sort c1 c2 c3) <(for n in 1 2 3; do cksum <f$n; done | sort)
0 0

$ sink_stdout <in1 >/dev/null 2>&1 & { src_file second | fun_demux in1; echo ${PIPESTATUS[@]}; } 2>&1 | sort; wait
111 100
fun_demux: more streams come than there are places for: 1
fun_demux: name a place for each stream
src_file: cannot write the stream: its reader is gone

$ src_exec --name one -- sh -c 'head -c 300000 f3; exit 3' >in1 2>/dev/null & src_stdin --name two <f2 >in2 & (src_exec -- sh -c 'cat f3; kill -9 $PPID'; true) >in3 2>/dev/null &
> { fun_mux in1 in2 in3 nowhere | sink_file third; echo ${PIPESTATUS[@]}; } 2>&1 | sed 's/byte [0-9]*/byte N/' | sort; wait
1 0
fun_mux: done, but 3 left out (named above)
fun_mux: in1: left out: src_exec gave up: sh exited with status 3
fun_mux: in3: left out: the stream is cut after byte N: it closed without an end, so its writer died or was stopped
fun_mux: nowhere: left out: cannot open nowhere: No such file or directory (os error 2)

$ for n in 1 2 3; do sink_stdout <in$n >back$n 2>/dev/null & done; src_file third | fun_demux in1 in2 in3 2>/dev/null; echo ${PIPESTATUS[@]}; wait; for n in 1 2 3; do cmp -s f2 back$n && echo whole; done; true
0 1
whole

$ (for n in 1 2 3; do src_stdin --name f$n <f$n >in1; done) & fun_mux in1 --streams 3 | sink_file fourth 3>said; echo ${PIPESTATUS[@]}; grep -o '"to":[0-9]*,"grade"' said
0 0
"to":588895,"grade"
"to":1288895,"grade"
"to":1988895,"grade"

$ src_stdin --kind mux <f1 | sink_null 2>/dev/null
src_stdin: no stream can be of kind mux: that is an edge on which streams take turns
[111]

$ mkfifo gone; : <gone & sink_file kept <out2 & src_stdin <f3 | tee_mirror gone out2 --policy any; echo ${PIPESTATUS[@]}; wait; src_file kept | sink_stdout | cmp - f3
tee_mirror: side 1: cannot write the stream: its reader is gone; it goes on without
tee_mirror: done, but 1 left out (named above)
0 1

$ : <gone & sink_file lost <out2 2>/dev/null & src_stdin <f3 2>/dev/null | tee_mirror gone out2; echo ${PIPESTATUS[1]}; wait; ls lost*
tee_mirror: side 1: cannot write the stream: its reader is gone
111
ls: cannot access 'lost*': No such file or directory
[2]

$ tee_mirror out1; fun_mux; fun_mux in1 in2 --up up1; fun_demux </dev/null
tee_mirror: a mirror has two outputs at least
fun_mux: name at least one input
fun_mux: --up needs as many names as there are inputs
fun_demux: name at least one output
[2]
