#!/bin/sh
# The main job, for someone who has just cloned kvik: a story, a question answered from what was told before, and the proof
# that the cache changed nothing. tools/demo.sh KVIK
set -eu
kvik=$1
# A turn in the model's chat template.
ask() { printf '<|im_start|>user\n%s<|im_end|>\n<|im_start|>assistant\n' "$1"; }

printf '\n== A story (kvik run --temp 0.7)\n\n'
"$kvik" run -p "$(ask 'Tell me a story.')
" -n 200 --temp 0.7 --seed 4

printf '\n== Told early, asked late\n\n'
told='The pass key is 40217. Remember it.'
middle='Tell me a story about Finn.'
printf '> %s\n> ...\n> What is the pass key?\n' "$told"
"$kvik" run -p "$(ask "$told")
I will remember it.<|im_end|>
$(ask "$middle")
Once upon a time, there was a small fox named Finn. One day, Finn found a red ball near the river.<|im_end|>
$(ask 'What is the pass key?')
" -n 30

printf '\n== The same bits, with the cache and without\n\n'
for how in '' --no-kv-cache '--chunk 1' '--threads 1'; do
	# shellcheck disable=SC2086
	printf '%-14s %s\n' "${how:-cache}" \
		"$("$kvik" run -q -p 'Once upon a time' -n 60 --ignore-end --logits-hash $how 2>&1 >/dev/null)"
done
