Receipts travel up and end in the list

$ mkdir t && seq 500000 >t/numbers && echo small >t/small && touch -d @1700000000 t/*

$ mkfifo r1 r2 && tar c -C t numbers small | src_stdin | proc_record --list L 4<r1 | proc_compress 3>r1 4<r2 | sink_file x 3>r2; echo ${PIPESTATUS[@]}; ls
0 0 0 0 0
L
r1
r2
t
x

$ grep -v '^[@#=]' L | cut -d' ' -f1,2,3,4,5; awk '/^@/ { if ($2 != end) print "gap"; end = $3; print $1, $5, $9 }; END { print end }' L | sort -u
f 0 3389440 3388895 1700000000.000000000
f 3389440 1024 6 1700000000.000000000
3399680
@ x on-disk

$ tapioca list L | sed 's/ x  *[0-9]* / x BLOCK /'
T          BYTES TIME (UTC)           MEDIUM            BLOCK PATH
f        3388895 2023-11-14 22:13:20Z x BLOCK numbers
f              6 2023-11-14 22:13:20Z x BLOCK small

$ tapioca list L 's*' --json | cut -d, -f1
{"blake3":"006e566e894021c4a5c418364caae113b3e69469a500fcc8f7989ec4fba77910"

$ tapioca list L numbers | wc -l
2

$ tapioca list r1.missing
list: cannot read r1.missing: No such file or directory (os error 2)
[111]

$ echo raw bytes | src_stdin --name mine | proc_record --list M | sink_null && grep ^f M | cut -d' ' -f1,2,3,4,6,7
f 0 10 10 2816b308b7c9e4195cc2360426728201b050fbf6e0616b1e19f76a17561e2ea2 mine

$ echo raw bytes | src_stdin | proc_record --list N 4<r1 | sink_null 3>r1; echo ${PIPESTATUS[@]}; ls N*
proc_record: the list is not kept: of 10 bytes 0 were receipted
0 0 111 0
ls: cannot access 'N*': No such file or directory
[2]

$ echo raw bytes | src_stdin --name n | sink_file y 3>receipt; sed 's/"stream":"[^"]*"/"stream":"ID"/; s/"digest":"[^"]*"/"digest":"D"/' receipt
{"stream":"ID","from":0,"to":10,"grade":"on disk","place":{"medium":"y","partition":0},"extents":[{"from":0,"to":10,"block":54,"stride":0}],"digest":"D"}
