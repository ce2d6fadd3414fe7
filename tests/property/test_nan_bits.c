/*
 * NaNs with whatever bits: quiet and signalling, of both signs, with payloads that arithmetic on
 * bits might take for something else. Every one makes its row NaN, wherever it stands, and no
 * other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "../support/eval.h"
#include "../support/random.h"
#include "tensor.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const uint32_t narrow[] = {0x7fc00000, 0xffc00000, 0x7fffffff, 0xffffffff, 0x7fc00001,
				  0xffc00001, 0x7fc001ff, 0x7fc000ff, 0x7fc00100, 0x7f800001,
				  0xff800001, 0x7fbfffff, 0x7fc0003c, 0x7fc00123};
static const uint64_t wide[] = {0x7ff8000000000000, 0xfff8000000000000, 0x7fffffffffffffff,
				0xffffffffffffffff, 0x7ff8000000000001, 0xfff8000000000001,
				0x7ff8000000000fff, 0x7ff80000000007ff, 0x7ff0000000000001,
				0xfff0000000000001, 0x7ff7ffffffffffff, 0x7ff8000000000400};
static const uint16_t bf16[] = {0x7fc0, 0xffc0, 0x7fff, 0xffff, 0x7fc1, 0x7f81, 0xff81};
static const uint16_t f16[] = {0x7e00, 0xfe00, 0x7fff, 0xffff, 0x7e01, 0x7c01, 0xfc01};

static const struct {
	loss_dtype dtype;
	const void *codes;
	size_t n, size;
} types[] = {
	{LOSS_F32, narrow, COUNT(narrow), 4},
	{LOSS_F64, wide, COUNT(wide), 8},
	{LOSS_BF16, bf16, COUNT(bf16), 2},
	{LOSS_F16, f16, COUNT(f16), 2},
};

/* Rows of classes, `inner` apart; the middle one has a NaN. */
struct place {
	size_t outer, classes, inner;
	size_t row, class;
};

static size_t index_of(const struct place *at, size_t row, size_t class)
{
	return (row / at->inner * at->classes + class) * at->inner + row % at->inner;
}

static struct loss_tensor logits_of(struct eval *eval, struct random *random, size_t type,
				    size_t code, const struct place *at)
{
	size_t shape[3] = {at->outer, at->classes, at->inner}, size = types[type].size;
	size_t n = at->outer * at->classes * at->inner;
	double *values = eval_array(eval, double, n);
	for (size_t i = 0; i < n; i++)
		values[i] = random_uniform(random, -8, 8);
	struct loss_tensor logits = eval_floats(eval, types[type].dtype, 3, shape, values);
	memcpy((char *)logits.data + index_of(at, at->row, at->class) * size,
	       (const char *)types[type].codes + code * size, size);
	return logits;
}

static void check_rows(const struct eval *eval, const char *name, const struct place *at,
		       size_t type, size_t code)
{
	const struct loss_tensor *output = eval_output(eval, name);
	bool per_class = output->rank == 3;
	for (size_t row = 0; row < at->outer * at->inner; row++)
		for (size_t c = 0; c < (per_class ? at->classes : 1); c++) {
			double value = eval_value(output, per_class ? index_of(at, row, c) : row);
			require(isnan(value) == (row == at->row),
				"%s of row %zu is %g: NaN %zu of %s is class %zu of %zu in row %zu "
				"of %zu, %zu apart",
				name, row, value, code, loss_dtype_info(types[type].dtype)->name,
				at->class, at->classes, at->row, at->outer * at->inner, at->inner);
		}
}

static void check_cross_entropy(struct random *random, size_t type, size_t code,
				const struct place *at, double smoothing)
{
	static const char *const outputs[] = {"loss", "grad", "lse", "predicted", NULL};
	struct eval eval;
	size_t rows = at->outer * at->inner;
	eval_start(&eval, "cross_entropy");
	int64_t *y = eval_array(&eval, int64_t, rows);
	for (size_t r = 0; r < rows; r++)
		y[r] = (int64_t)random_below(random, at->classes);
	eval_set(&eval, "logits", logits_of(&eval, random, type, code, at));
	eval_set(&eval, "targets",
		 eval_integers(&eval, LOSS_I64, 2, (size_t[]){at->outer, at->inner}, y));
	eval_string(&eval, "reduction", "none");
	if (smoothing > 0)
		eval_number(&eval, "label_smoothing", smoothing);
	eval_outputs(&eval, outputs);
	eval_run(&eval, 1);
	check_rows(&eval, "loss", at, type, code);
	check_rows(&eval, "lse", at, type, code);
	check_rows(&eval, "grad", at, type, code);
	assert_int_equal(eval_index(eval_output(&eval, "predicted"), at->row), at->class);
	eval_end(&eval);
}

static void check_softmax(struct random *random, size_t type, size_t code, const struct place *at)
{
	static const char *const outputs[] = {"log_probs", "entropy", NULL};
	struct eval eval;
	eval_start(&eval, "log_softmax");
	eval_set(&eval, "logits", logits_of(&eval, random, type, code, at));
	eval_outputs(&eval, outputs);
	eval_run(&eval, 1);
	check_rows(&eval, "log_probs", at, type, code);
	check_rows(&eval, "entropy", at, type, code);
	eval_end(&eval);
}

static void every_nan_is_one(void **state)
{
	static const size_t counts[] = {2, 3, 4, 5, 8, 9, 16, 17, 33, 100, 256, 257, 300, 1025};
	static const size_t apart[] = {1, 3, 16, 33};
	struct random random = random_start(0x4a4e);
	(void)state;
	for (size_t type = 0; type < COUNT(types); type++)
		for (size_t code = 0; code < types[type].n; code++)
			for (size_t c = 0; c < COUNT(counts); c++)
				for (size_t i = 0; i < COUNT(apart); i++) {
					struct place at = {1 + random_below(&random, 3), counts[c],
							   apart[i], 0, 0};
					at.row = random_below(&random, at.outer * at.inner);
					at.class = random_below(&random, at.classes);
					check_cross_entropy(&random, type, code, &at, 0);
					check_cross_entropy(&random, type, code, &at, 0.1);
					check_softmax(&random, type, code, &at);
				}
}

/* Every class of a row in turn. */
static void wherever_it_stands(void **state)
{
	static const size_t counts[] = {2, 7, 20, 259, 530};
	struct random random = random_start(0x4a4f);
	(void)state;
	for (size_t type = 0; type < 2; type++)
		for (size_t c = 0; c < COUNT(counts); c++)
			for (size_t class = 0; class < counts[c]; class ++) {
				struct place at = {2, counts[c], 1, class % 2, class};
				check_softmax(&random, type, 2 + class % 4, &at);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_nan_is_one),
		cmocka_unit_test(wherever_it_stands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
