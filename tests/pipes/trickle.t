A source that waits is synced by the clock: its receipt comes before its end

$ tapioca library create lib --drives 1 --slots 1 --media 1 --capacity 64MiB >created; mkfifo told

$ { head -c 2M /dev/urandom; head -n 1 told >first; } | src_stdin | sink_tape --drive virtual:lib#drive0 --changer virtual:lib#changer --sync-s 1 3<>told; echo ${PIPESTATUS[@]}
0 0 0

$ grep -o '"grade":"[a-z ]*"' first
"grade":"on tape"
