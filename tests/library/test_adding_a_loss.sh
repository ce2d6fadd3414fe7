#!/usr/bin/env bash
# The loss of docs/adding-a-loss.md, put into a copy of the sources as that page says, comes to what the page says: the
# one loss here whose tensors no other has, and that have an axis K. Output: TAP.
set -u

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
: "${BUILD:=build}"
page=docs/adding-a-loss.md
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# As everything was compiled and linked, with the copy's headers before the tree's.
read -ra compiler < <(sed "s| -Isrc | -I$scratch/src |" "$BUILD/flags")

# The n-th piece of C on the page.
piece() { awk -v n="$1" '/^```c$/ { on = ++k == n; next } /^```/ { on = 0 } on' "$page"; }

add_the_loss() {
	cp -R src "$scratch/src" && mkdir "$scratch/src/kernel/top_k_cross_entropy" || return 1
	piece 1 >"$scratch/tensors"
	piece 2 >"$scratch/row"
	piece 3 >"$scratch/src/kernel/top_k_cross_entropy/top_k_cross_entropy.c"
	awk '1; /^loss_rows_fn kl_div_rows;/ { print "loss_rows_fn top_k_cross_entropy_rows;" }' src/kernel/kernels.h \
		>"$scratch/src/kernel/kernels.h"
	awk -v tensors="$scratch/tensors" -v row="$scratch/row" '
		function put(file, line) { while ((getline line <file) > 0) print line }
		/^static const struct loss_row loss_table/ { put(tensors); print; put(row); next }
		1' src/losses.c >"$scratch/src/losses.c"
}

cat >"$scratch/main.c" <<'END'
#include <stdio.h>
#include <string.h>

#include "loss.h"

static struct loss_tensor tensor(loss_dtype dtype, size_t columns, void *data)
{
	return loss_tensor_make(dtype, 2, (const size_t[]){2, columns}, data);
}

/* The page's problem, with this index as the last one; prints what it comes to. */
static void evaluate(int64_t last)
{
	float logits[] = {1, 2, 3, 0, 0, 1}, probs[] = {0.25f, 0.75f, 0.5f, 0.25f};
	int64_t indices[] = {0, 2, 1, last};
	const char *outputs[] = {"loss", "grad"};
	struct loss_tensor x = tensor(LOSS_F32, 3, logits), i = tensor(LOSS_I64, 2, indices);
	struct loss_tensor p = tensor(LOSS_F32, 2, probs);
	struct loss_result result;
	struct loss_error error;
	struct loss_arena *arena = loss_arena_create(NULL);
	const char *name = "top_k_cross_entropy";
	struct loss_problem *problem = loss_problem_create(loss_find(name, strlen(name)), arena);
	if (loss_problem_set(problem, "logits", &x, &error) ||
	    loss_problem_set(problem, "teacher_indices", &i, &error) ||
	    loss_problem_set(problem, "teacher_probs", &p, &error) ||
	    loss_problem_set_outputs(problem, outputs, 2, &error) ||
	    loss_evaluate(problem, arena, 1, NULL, &result, &error)) {
		printf("%s\n", error.detail);
	} else {
		const float *loss = result.outputs[0].tensor.data, *grad = result.outputs[1].tensor.data;
		printf("%.7f", (double)*loss);
		for (size_t c = 0; c < 6; c++)
			printf(" %.7f", (double)grad[c]);
		printf("\n");
	}
	loss_arena_destroy(arena);
}

int main(void)
{
	evaluate(1);
	evaluate(3);
	return 0;
}
END

build() {
	local objects=()
	for source in "$scratch/src/losses.c" "$scratch"/src/kernel/top_k_cross_entropy/*.c "$scratch/main.c"; do
		objects+=("$scratch/$(basename "$source").o")
		"${compiler[@]}" -I"$scratch/src/kernel" -c -o "${objects[-1]}" "$source" || return 1
	done
	"${compiler[@]}" -o "$scratch/main" "${objects[@]}" "$BUILD/inside.a" -lm
}

count=0 failed=0
tell() { # name status
	count=$((count + 1))
	if [ "$2" -eq 0 ]; then echo "ok $count - $1"; else
		echo "not ok $count - $1"
		sed 's/^/# /' "$scratch/words"
		failed=$((failed + 1))
	fi
}

echo 1..3
{ add_the_loss && build; } >"$scratch/words" 2>&1
tell "it compiles" $?
"$scratch/main" >"$scratch/words" 2>&1
sed -n 1p "$scratch/words" | grep -qx '1.0355947 -0.0799847 0.1223642 -0.0423795 0.0794781 -0.2955219 0.2160438'
tell "it comes to what the page says" $?
sed -n 2p "$scratch/words" | grep -qx 'teacher_indices\[1\]\[1\] is 3, but there are 3 classes (0..2)'
tell "an index that is no class is refused" $?
exit $((failed > 0))
