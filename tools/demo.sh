#!/bin/sh
# The main job, for someone who has just cloned kvik: a story, a question answered from what was told before, and what the
# cache took. tools/demo.sh KVIK
set -eu
kvik=$1
turn() { # turn TITLE PROMPT
	printf '\n== %s\n%s' "$1" "$2"
	"$kvik" run -p "$2" -n 120 --stop '<|im_end|>'
}
story='Once upon a time, there was a small fox named Finn.'
turn 'A story' "$story"
turn 'A question about something told before' 'The code of the red box is 4827. Anna went to the river and sat in the grass. It was a sunny day.
<|im_start|>user
What is the code of the red box?<|im_end|>
<|im_start|>assistant
The code of the red box is'
printf '\n== The same bits with and without the cache\n'
for how in '' --no-kv-cache '--chunk 1' '--threads 1'; do
	# shellcheck disable=SC2086
	printf '%-14s ' "${how:-cache}"
	"$kvik" run -q -p "$story" -n 60 --logits-hash $how 2>&1 >/dev/null
done
