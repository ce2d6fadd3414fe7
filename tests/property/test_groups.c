/*
 * Groups of rows: each comes to the exact sum of what its rows come to alone, rounded once, in any
 * order, layout and type, by any number of threads, whole or as the rows arrive. The oracle is
 * exact_sum of rows that are evaluated one by one.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/eval.h"
#include "../support/exact_sum.h"
#include "../support/random.h"
#include "../support/ulp.h"
#include "base64.h"
#include "kernel/oracle.h"
#include "state.h"

#define MOST_CLASSES 40
#define LN_2 0.6931471805599453094172321214581765681L

static const loss_dtype floats[] = {LOSS_F32,  LOSS_F64,     LOSS_F16,
				    LOSS_BF16, LOSS_F8_E4M3, LOSS_F8_E5M2};
static const loss_dtype integers[] = {LOSS_I64, LOSS_I32, LOSS_I16, LOSS_I8,
				      LOSS_U64, LOSS_U32, LOSS_U16, LOSS_U8};
static const char *const outputs[] = {"group_loss_sum", "group_denominator", "group_counted",
				      "group_loss",     "bits_per_byte",     NULL};

/* Rows, each with all that it may have, in order: each says for itself what it is scored against.
 */
struct rows {
	const char *loss;
	loss_dtype dtype;
	bool weighted, row_weighted, masked, by_group; /* by_group: bytes */
	double smoothing, z_loss;                      /* of cross_entropy */
	size_t n, classes, n_groups;
	double *x, *row_weight;
	int64_t *y, *group, *bytes, *mask;
	double weight[MOST_CLASSES];
	int64_t group_bytes[64];
};

static void *alloc(size_t n)
{
	void *memory = calloc(n + 1, 8);
	assert_non_null(memory);
	return memory;
}

static void free_rows(struct rows *rows)
{
	free(rows->x);
	free(rows->row_weight);
	free(rows->y);
	free(rows->group);
	free(rows->bytes);
	free(rows->mask);
}

static struct rows draw(struct random *random, size_t n)
{
	bool nll = random_chance(random, 0.3);
	struct rows rows = {
		.loss = nll ? "nll_loss" : "cross_entropy",
		.dtype = floats[random_below(random, 6)],
		.weighted = random_chance(random, 0.5),
		.row_weighted = random_chance(random, 0.5),
		.masked = random_chance(random, 0.5),
		.by_group = random_chance(random, 0.5),
		.smoothing = !nll && random_chance(random, 0.3) ? 0.25 : 0,
		.z_loss = !nll && random_chance(random, 0.3) ? 0.5 : 0,
		.n = n,
		.classes = 1 + random_below(random, MOST_CLASSES),
		.n_groups = 1 + random_below(random, 10),
	};
	rows.by_group &= rows.n_groups != n; /* as many bytes as rows are of rows */
	rows.x = alloc(n * rows.classes);
	rows.row_weight = alloc(n);
	rows.y = alloc(n);
	rows.group = alloc(n);
	rows.bytes = alloc(n);
	rows.mask = alloc(n);
	for (size_t i = 0; i < n * rows.classes; i++)
		rows.x[i] = random_uniform(random, -8, nll ? 0 : 8);
	for (size_t c = 0; c < rows.classes; c++)
		rows.weight[c] = random_uniform(random, 0, 3);
	for (size_t g = 0; g < rows.n_groups; g++)
		rows.group_bytes[g] = (int64_t)random_below(random, 100);
	for (size_t r = 0; r < n; r++) {
		rows.row_weight[r] = random_uniform(random, 0, 2);
		rows.y[r] = (int64_t)random_below(random, rows.classes);
		rows.group[r] = (int64_t)random_below(random, rows.n_groups + 1) - 1;
		rows.bytes[r] = (int64_t)random_below(random, 9);
		rows.mask[r] = random_chance(random, 0.8);
		if (random_chance(random, 0.1))
			rows.y[r] = -100;
	}
	return rows;
}

static bool counts(const struct rows *rows, size_t r)
{
	return rows->y[r] >= 0 && !(rows->masked && rows->mask[r] == 0);
}

/* ---------------------------------------------------------------- an evaluation of them */

/* In what order they stand, and as what. */
struct form {
	const size_t *order;
	size_t n;
	size_t inner;       /* neighbours of a class, 0: classes are last */
	size_t sequence;    /* of shifted rows, each after one that is not scored; 0: none */
	loss_dtype integer; /* of groups and bytes */
};

static struct loss_tensor floats_of(struct eval *eval, loss_dtype dtype, const struct form *form,
				    int rank, const size_t *shape, const double *values)
{
	double *ordered = eval_array(eval, double, form->n);
	for (size_t i = 0; i < form->n; i++)
		ordered[i] = values[form->order[i]];
	return eval_floats(eval, dtype, rank, shape, ordered);
}

static struct loss_tensor integers_of(struct eval *eval, loss_dtype dtype, const struct form *form,
				      int rank, const size_t *shape, const int64_t *values)
{
	int64_t *ordered = eval_array(eval, int64_t, form->n);
	for (size_t i = 0; i < form->n; i++)
		ordered[i] = values[form->order[i]];
	return eval_integers(eval, dtype, rank, shape, ordered);
}

/* Unsigned ones have no place for rows of no group. */
static loss_dtype type_of_groups(const struct rows *rows, loss_dtype wished)
{
	bool is_signed = loss_dtype_info(wished)->dtype_class == LOSS_CLASS_SIGNED;
	for (size_t r = 0; r < rows->n; r++)
		if (rows->group[r] < 0 && !is_signed)
			return LOSS_I16;
	return wished;
}

static void set_logits(struct eval *eval, const struct rows *rows, const struct form *form)
{
	size_t inner = form->inner ? form->inner : 1, classes = rows->classes;
	size_t shape[3] = {form->n / inner, classes, inner};
	double *x = eval_array(eval, double, form->n *classes);
	for (size_t i = 0; i < form->n; i++)
		for (size_t c = 0; c < classes; c++)
			x[(i / inner * classes + c) * inner + i % inner] =
				rows->x[form->order[i] * classes + c];
	eval_set(eval, eval->info->tensors[0].name,
		 eval_floats(eval, rows->dtype, form->inner ? 3 : 2, shape, x));
}

static void set_rows(struct eval *eval, const struct rows *rows, const struct form *form)
{
	size_t inner = form->inner ? form->inner : 1;
	size_t shape[2] = {form->n / inner, inner};
	int rank = form->inner ? 2 : 1;
	eval_set(eval, "targets", integers_of(eval, LOSS_I64, form, rank, shape, rows->y));
	eval_set(eval, "groups",
		 integers_of(eval, type_of_groups(rows, form->integer), form, rank, shape,
			     rows->group));
	if (rows->row_weighted)
		eval_set(eval, "row_weight",
			 floats_of(eval, LOSS_F64, form, rank, shape, rows->row_weight));
	if (rows->masked)
		eval_set(eval, "mask", integers_of(eval, LOSS_BOOL, form, rank, shape, rows->mask));
	if (!rows->by_group)
		eval_set(eval, "bytes",
			 integers_of(eval, form->integer, form, rank, shape, rows->bytes));
	else
		eval_set(eval, "bytes",
			 eval_integers(eval, form->integer, 1, &rows->n_groups, rows->group_bytes));
}

static void start(struct eval *eval, const struct rows *rows, const struct form *form)
{
	size_t classes[1] = {rows->classes};
	eval_start(eval, rows->loss);
	set_logits(eval, rows, form);
	set_rows(eval, rows, form);
	if (rows->weighted)
		eval_set(eval, "weight", eval_floats(eval, LOSS_F64, 1, classes, rows->weight));
	if (rows->smoothing > 0)
		eval_number(eval, "label_smoothing", rows->smoothing);
	if (rows->z_loss > 0)
		eval_number(eval, "z_loss", rows->z_loss);
	eval_integer(eval, "n_groups", (int64_t)rows->n_groups);
	eval_outputs(eval, outputs);
}

static size_t *in_order(size_t n)
{
	size_t *order = alloc(n);
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	return order;
}

/* ---------------------------------------------------------------- what rows come to alone */

static struct loss_totals alone(const struct rows *rows, size_t r)
{
	struct eval eval;
	const struct form form = {.order = &r, .n = 1, .integer = LOSS_I64};
	start(&eval, rows, &form);
	eval_run(&eval, 1);
	struct loss_totals totals = eval.result.totals;
	eval_end(&eval);
	return totals;
}

/* The losses and shares of a group's counted rows, and how many these are. */
static size_t terms_of(const struct rows *rows, int64_t group, double *losses, double *shares)
{
	size_t n = 0;
	for (size_t r = 0; r < rows->n; r++) {
		if (rows->group[r] != group || !counts(rows, r))
			continue;
		struct loss_totals totals = alone(rows, r);
		losses[n] = totals.loss_sum;
		shares[n++] = totals.denominator;
	}
	return n;
}

static long double precise(const double *terms, size_t n)
{
	struct oracle_sum sum = {0};
	for (size_t i = 0; i < n; i++)
		oracle_add(&sum, (long double)terms[i]);
	return oracle_total(&sum);
}

static void check_group(const struct rows *rows, const struct eval *eval, size_t g)
{
	double *losses = alloc(rows->n), *shares = alloc(rows->n);
	size_t n = terms_of(rows, (int64_t)g, losses, shares);
	double sum = exact_sum(losses, n), share = exact_sum(shares, n);
	double got = eval_value(eval_output(eval, "group_loss_sum"), g);
	require(got == sum, "group %zu of %s: loss sum %.17g, not %.17g", g, rows->loss, got, sum);
	got = eval_value(eval_output(eval, "group_denominator"), g);
	require(got == share, "group %zu: denominator %.17g, not %.17g", g, got, share);
	require(eval_index(eval_output(eval, "group_counted"), g) == (int64_t)n,
		"group %zu has %zu counted rows", g, n);
	got = eval_value(eval_output(eval, "group_loss"), g);
	if (n == 0)
		require(isnan(got), "group %zu: the mean of nothing is %.17g", g, got);
	else
		require(ulp_error(LOSS_F64, got, precise(losses, n) / precise(shares, n)) <= 0.501L,
			"group %zu: mean %.17g", g, got);
	free(losses);
	free(shares);
}

/* Of the row's target, without weights and all else. */
static double nll_alone(const struct rows *rows, size_t r)
{
	struct rows bare = *rows;
	bare.weighted = bare.row_weighted = bare.masked = false;
	bare.smoothing = bare.z_loss = 0;
	return alone(&bare, r).loss_sum;
}

static bool has_counted(const struct rows *rows, int64_t group)
{
	bool any = false;
	for (size_t r = 0; r < rows->n; r++)
		any |= rows->group[r] == group && counts(rows, r);
	return any;
}

static void check_bits(const struct rows *rows, const struct eval *eval)
{
	double *nlls = alloc(rows->n), got = eval_value(eval_output(eval, "bits_per_byte"), 0);
	long double bytes = 0;
	size_t n = 0;
	for (size_t r = 0; r < rows->n; r++) {
		if (!counts(rows, r) || (rows->by_group && rows->group[r] < 0))
			continue;
		nlls[n++] = nll_alone(rows, r);
		bytes += rows->by_group ? 0 : (long double)rows->bytes[r];
	}
	for (size_t g = 0; rows->by_group && g < rows->n_groups; g++)
		bytes += has_counted(rows, (int64_t)g) ? (long double)rows->group_bytes[g] : 0;
	if (bytes == 0)
		require(isnan(got), "%.17g bits of no bytes", got);
	else
		require(ulp_error(LOSS_F64, got, precise(nlls, n) / (LN_2 * bytes)) <= 0.501L,
			"%s: %.17g bits a byte, not %.20Lg", rows->loss, got,
			precise(nlls, n) / (LN_2 * bytes));
	free(nlls);
}

static void groups_are_exact_sums_of_their_rows(void **state)
{
	struct random random = random_start(0x67201);
	(void)state;
	skip_unless_precise();
	for (size_t i = 0; i < random_cases(40); i++) {
		struct rows rows = draw(&random, random_below(&random, 120));
		size_t *order = in_order(rows.n);
		const struct form form = {.order = order, .n = rows.n, .integer = integers[i % 8]};
		struct eval eval;
		start(&eval, &rows, &form);
		eval_run(&eval, 1);
		for (size_t g = 0; g < rows.n_groups; g++)
			check_group(&rows, &eval, g);
		check_bits(&rows, &eval);
		eval_end(&eval);
		free(order);
		free_rows(&rows);
	}
}

/* ---------------------------------------------------------------- the same bits */

static void require_same(const struct eval *a, const struct eval *b, const char *what)
{
	for (size_t i = 0; outputs[i] != NULL; i++)
		require(eval_same_bits(eval_output(a, outputs[i]), eval_output(b, outputs[i])),
			"%s: %s has other bits", what, outputs[i]);
}

/* As its rows arrive, in pieces of random numbers of blocks. */
static void run_streamed(struct eval *eval, struct random *random, size_t n, size_t row_bytes,
			 unsigned char *data)
{
	loss_problem_set_data(eval->problem, 0, NULL);
	eval_plan(eval);
	assert_non_null(eval->plan);
	size_t block = loss_plan_block_rows(eval->plan);
	for (size_t row = 0, some; row < n; row += some) {
		some = block * (1 + random_below(random, 3));
		some = some < n - row ? some : n - row;
		loss_plan_run_rows(eval->plan, row, some, data + row * row_bytes);
	}
	loss_plan_finish(eval->plan, &eval->result);
}

/* Blocks in any order, on this thread, as a caller may run them. */
static void run_blocks(struct eval *eval, struct random *random)
{
	eval_plan(eval);
	size_t n = loss_plan_blocks(eval->plan), *order = in_order(n);
	random_order(random, order, n);
	for (size_t i = 0; i < n; i++)
		loss_plan_run_blocks(eval->plan, order[i], 1);
	loss_plan_finish(eval->plan, &eval->result);
	free(order);
}

static void neither_order_nor_threads_nor_types_show(void **state)
{
	struct random random = random_start(0x67202);
	(void)state;
	for (size_t i = 0; i < random_cases(25); i++) {
		static const size_t inners[] = {0, 1, 4, 20, 0, 0};
		struct rows rows = draw(&random, 20 * random_below(&random, 300));
		size_t *order = in_order(rows.n);
		struct form form = {.order = order, .n = rows.n, .integer = LOSS_I64};
		struct eval first, other;
		start(&first, &rows, &form);
		eval_run(&first, 1);
		for (int threads = 2; threads <= 7; threads++) {
			random_order(&random, order, rows.n);
			form.inner = inners[threads - 2];
			form.integer = integers[random_below(&random, 8)];
			start(&other, &rows, &form);
			eval_run(&other, threads);
			require_same(&first, &other, "by threads");
			eval_end(&other);
		}
		form.inner = 0;
		start(&other, &rows, &form);
		run_blocks(&other, &random);
		require_same(&first, &other, "block by block");
		eval_end(&other);
		start(&other, &rows, &form);
		size_t row_bytes = rows.classes * loss_dtype_info(rows.dtype)->size;
		double *x = alloc(rows.n * rows.classes);
		for (size_t k = 0; k < rows.n * rows.classes; k++)
			loss_float_put(
				rows.dtype, x, k,
				rows.x[order[k / rows.classes] * rows.classes + k % rows.classes]);
		if (rows.n > 0) {
			run_streamed(&other, &random, rows.n, row_bytes, (unsigned char *)x);
			require_same(&first, &other, "as they arrive");
		}
		free(x);
		eval_end(&other);
		eval_end(&first);
		free(order);
		free_rows(&rows);
	}
}

/* ---------------------------------------------------------------- shift */

/* Sequences of the rows' logits, each row's own at t and what it is scored against at t + 1. */
static void start_shifted(struct eval *eval, const struct rows *rows, size_t length)
{
	size_t scored = length - 1, b = rows->n / scored, n = b * length, classes = rows->classes;
	size_t logits[3] = {b, length, classes};
	double *x = eval_array(eval, double, n *classes);
	double *row_weight = eval_array(eval, double, n);
	int64_t *y = eval_array(eval, int64_t, n), *group = eval_array(eval, int64_t, n);
	int64_t *bytes = eval_array(eval, int64_t, n), *mask = eval_array(eval, int64_t, n);
	for (size_t i = 0; i < n; i += length) {
		y[i] = 9999; /* what stands first is nobody's business */
		group[i] = 9999;
		bytes[i] = -9999;
		row_weight[i] = -1;
	}
	for (size_t r = 0; r < b * scored; r++) {
		size_t i = r / scored * length + r % scored;
		memcpy(x + i * classes, rows->x + r * classes, classes * sizeof(*x));
		y[i + 1] = rows->y[r];
		group[i + 1] = rows->group[r];
		bytes[i + 1] = rows->bytes[r];
		row_weight[i + 1] = rows->row_weight[r];
		mask[i + 1] = rows->mask[r];
	}
	eval_set(eval, "logits", eval_floats(eval, rows->dtype, 3, logits, x));
	eval_set(eval, "targets", eval_integers(eval, LOSS_I64, 2, logits, y));
	eval_set(eval, "groups", eval_integers(eval, LOSS_I64, 2, logits, group));
	if (!rows->by_group)
		eval_set(eval, "bytes", eval_integers(eval, LOSS_I32, 2, logits, bytes));
	else
		eval_set(eval, "bytes",
			 eval_integers(eval, LOSS_I32, 1, &rows->n_groups, rows->group_bytes));
	if (rows->row_weighted)
		eval_set(eval, "row_weight", eval_floats(eval, LOSS_F64, 2, logits, row_weight));
	if (rows->masked)
		eval_set(eval, "mask", eval_integers(eval, LOSS_BOOL, 2, logits, mask));
	eval_integer(eval, "class_axis", -1);
	eval_boolean(eval, "shift", true);
}

static void shifted_rows_are_those_of_the_next_entry(void **state)
{
	struct random random = random_start(0x67203);
	(void)state;
	for (size_t i = 0; i < random_cases(30); i++) {
		size_t length = 2 + random_below(&random, 9);
		struct rows rows = draw(&random, (length - 1) * (1 + random_below(&random, 60)));
		size_t *order = in_order(rows.n), classes[1] = {rows.classes};
		const struct form form = {.order = order, .n = rows.n, .integer = LOSS_I64};
		struct eval plain, shifted;
		rows.loss = "cross_entropy";
		start(&plain, &rows, &form);
		eval_run(&plain, 1);
		eval_start(&shifted, rows.loss);
		start_shifted(&shifted, &rows, length);
		if (rows.weighted)
			eval_set(&shifted, "weight",
				 eval_floats(&shifted, LOSS_F64, 1, classes, rows.weight));
		if (rows.smoothing > 0)
			eval_number(&shifted, "label_smoothing", rows.smoothing);
		if (rows.z_loss > 0)
			eval_number(&shifted, "z_loss", rows.z_loss);
		eval_integer(&shifted, "n_groups", (int64_t)rows.n_groups);
		eval_outputs(&shifted, outputs);
		eval_run(&shifted, 3);
		require_same(&plain, &shifted, "shifted");
		eval_end(&shifted);
		eval_end(&plain);
		free(order);
		free_rows(&rows);
	}
}

/* ---------------------------------------------------------------- splits */

/* The sums of parts are rounded each: together they are off by no more than that. */
static void any_split_adds_up(void **state)
{
	struct random random = random_start(0x67204);
	(void)state;
	for (size_t i = 0; i < random_cases(25); i++) {
		struct rows rows = draw(&random, 1 + random_below(&random, 400));
		size_t *order = in_order(rows.n), parts = 0;
		struct form form = {.order = order, .n = rows.n, .integer = LOSS_I32};
		struct eval whole, part;
		double sums[64] = {0}, shares[64] = {0};
		int64_t counted[64] = {0};
		start(&whole, &rows, &form);
		eval_run(&whole, 1);
		random_order(&random, order, rows.n);
		for (size_t at = 0; at < rows.n; at += form.n, parts++) {
			size_t left = rows.n - at;
			form.order = order + at;
			form.n = 1 + random_below(&random, left);
			start(&part, &rows, &form);
			eval_run(&part, 1);
			for (size_t g = 0; g < rows.n_groups; g++) {
				sums[g] += eval_value(eval_output(&part, "group_loss_sum"), g);
				shares[g] += eval_value(eval_output(&part, "group_denominator"), g);
				counted[g] += eval_index(eval_output(&part, "group_counted"), g);
			}
			eval_end(&part);
		}
		for (size_t g = 0; g < rows.n_groups; g++) {
			double sum = eval_value(eval_output(&whole, "group_loss_sum"), g);
			double share = eval_value(eval_output(&whole, "group_denominator"), g);
			double off = 2 * (double)(parts + 1) * 0x1p-53;
			require(fabs(sum - sums[g]) <= off * sum &&
					fabs(share - shares[g]) <= off * share &&
					counted[g] ==
						eval_index(eval_output(&whole, "group_counted"), g),
				"group %zu of %zu parts: %.17g, not %.17g", g, parts, sums[g], sum);
		}
		eval_end(&whole);
		free(order);
		free_rows(&rows);
	}
}

/* ---------------------------------------------------------------- states of totals */

#define MOST_PARTS 8

/* Rows of some order, in as many parts as there is room for; the texts are the caller's to free. */
static size_t evaluate_parts(const struct rows *rows, struct random *random, const size_t *order,
			     char **texts)
{
	size_t parts = 0;
	struct form form = {.integer = LOSS_I16};
	for (size_t at = 0; at < rows->n; at += form.n) {
		struct eval part;
		size_t left = rows->n - at;
		form.order = order + at;
		form.n = parts == MOST_PARTS - 1 ? left : 1 + random_below(random, left);
		start(&part, rows, &form);
		eval_string(&part, "totals", "exact");
		eval_run(&part, 1 + (int)random_below(random, 4));
		texts[parts++] = strdup(part.result.totals.state);
		eval_end(&part);
	}
	return parts;
}

/* Two of them become one, until one is left. */
static void merge_texts(struct random *random, char **texts, size_t n)
{
	for (; n > 1; n--) {
		struct loss_arena *arena = loss_arena_create(NULL);
		struct loss_result result;
		struct loss_error err = {.detail = ""};
		size_t i = random_below(random, n - 1);
		const char *const two[] = {texts[i + 1], texts[i]};
		require(loss_totals_merge(two, 2, arena, &result, &err) == LOSS_OK, "%s",
			err.detail);
		char *merged = strdup(result.totals.state);
		free(texts[i]);
		free(texts[i + 1]);
		texts[i] = merged;
		memmove(texts + i + 1, texts + i + 2, (n - i - 2) * sizeof(*texts));
		loss_arena_destroy(arena);
	}
}

/* A state alone, and what it comes to, is what the whole has said. */
static void require_whole(const char *text, const struct eval *whole)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct loss_result result;
	struct loss_error err = {.detail = ""};
	size_t found = 0;
	require(strcmp(text, whole->result.totals.state) == 0, "the state is not the whole's");
	require(loss_totals_merge(&text, 1, arena, &result, &err) == LOSS_OK, "%s", err.detail);
	for (size_t i = 0; i < result.n_outputs; i++) {
		const struct loss_output *output = &result.outputs[i];
		if (strncmp(output->name, "group_", 6) != 0)
			continue;
		require(eval_same_bits(&output->tensor, eval_output(whole, output->name)),
			"merged: %s has other bits", output->name);
		found++;
	}
	assert_int_equal(found, 4);
	loss_arena_destroy(arena);
}

static void states_of_any_split_are_those_of_the_whole(void **state)
{
	struct random random = random_start(0x67205);
	(void)state;
	for (size_t i = 0; i < random_cases(40); i++) {
		struct rows rows = draw(&random, 1 + random_below(&random, 200));
		size_t *order = in_order(rows.n);
		struct form form = {.order = order, .n = rows.n, .integer = LOSS_I32};
		char *texts[MOST_PARTS];
		struct eval whole;
		start(&whole, &rows, &form);
		eval_string(&whole, "totals", "exact");
		eval_run(&whole, 1);
		random_order(&random, order, rows.n);
		merge_texts(&random, texts, evaluate_parts(&rows, &random, order, texts));
		require_whole(texts[0], &whole);
		free(texts[0]);
		eval_end(&whole);
		free(order);
		free_rows(&rows);
	}
}

/* Some bytes of a state are others, with a checksum that is right. */
static void states_that_lie_harm_nobody(void **state)
{
	struct random random = random_start(0x67206);
	size_t refused = 0, n = random_cases(3000);
	struct rows rows = draw(&random, 60);
	size_t *order = in_order(rows.n), size;
	const struct form form = {.order = order, .n = rows.n, .integer = LOSS_I32};
	struct eval whole;
	(void)state;
	start(&whole, &rows, &form);
	eval_string(&whole, "totals", "exact");
	eval_run(&whole, 1);
	const char *text = whole.result.totals.state;
	unsigned char *bytes = alloc(strlen(text));
	char *lie = alloc(strlen(text));
	for (size_t i = 0; i < n; i++) {
		struct loss_budget *budget = loss_budget_create(UINT64_C(64) << 20);
		struct loss_arena *arena = loss_arena_create(budget);
		struct loss_result result;
		require(base64_decode(text, strlen(text), bytes, &size), "no base64");
		for (size_t k = 1 + random_below(&random, 3); k > 0; k--)
			bytes[random_below(&random, size - 8)] =
				(unsigned char)random_bits(&random);
		uint64_t sum = state_checksum(bytes, size - 8);
		for (size_t k = 0; k < 8; k++)
			bytes[size - 8 + k] = (unsigned char)(sum >> 8 * k);
		base64_encode(bytes, size, lie);
		lie[strlen(text)] = '\0';
		const char *const two[] = {lie, text};
		refused += loss_totals_merge(two, 2, arena, &result, NULL) != LOSS_OK;
		loss_arena_destroy(arena);
		loss_budget_destroy(budget);
	}
	assert_true(refused > n / 4 && refused < n);
	free(lie);
	free(bytes);
	eval_end(&whole);
	free(order);
	free_rows(&rows);
}

/* ---------------------------------------------------------------- many groups */

/* A row each, and some groups of two; as many groups as rows, and a hundred times as many. */
static void as_many_groups_as_there_are_rows(void **state)
{
	static const size_t sparse[] = {1, 100};
	size_t n = random_cases(70000), shape[2] = {n, 2};
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct eval eval;
		eval_start(&eval, "nll_loss");
		double *x = eval_array(&eval, double, 2 * n);
		int64_t *y = eval_array(&eval, int64_t, n), *group = eval_array(&eval, int64_t, n);
		for (size_t r = 0; r < n; r++) {
			x[2 * r] = -(double)(r + 1);
			group[r] = (int64_t)(r * sparse[i]);
		}
		group[0] = group[n - 1];
		eval_set(&eval, "log_probs", eval_floats(&eval, LOSS_F64, 2, shape, x));
		eval_set(&eval, "targets", eval_integers(&eval, LOSS_I64, 1, shape, y));
		eval_set(&eval, "groups", eval_integers(&eval, LOSS_I64, 1, shape, group));
		eval_outputs(&eval, outputs);
		eval_set(&eval, "bytes", eval_integers(&eval, LOSS_I64, 1, shape, group));
		eval_run(&eval, 3);
		const struct loss_tensor *sums = eval_output(&eval, "group_loss_sum");
		const struct loss_tensor *counted = eval_output(&eval, "group_counted");
		assert_int_equal(sums->count, (n - 1) * sparse[i] + 1);
		for (size_t g = 0; g < sums->count; g++) {
			size_t r = g / sparse[i];
			double wanted = g % sparse[i] != 0 || r == 0 ? 0 : (double)(r + 1);
			int64_t rows = wanted > 0;
			if (r == n - 1) {
				wanted += 1;
				rows = 2;
			}
			require(eval_value(sums, g) == wanted && eval_index(counted, g) == rows,
				"group %zu: %.17g of %d rows", g, eval_value(sums, g),
				(int)eval_index(counted, g));
		}
		eval_end(&eval);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_are_exact_sums_of_their_rows),
		cmocka_unit_test(neither_order_nor_threads_nor_types_show),
		cmocka_unit_test(shifted_rows_are_those_of_the_next_entry),
		cmocka_unit_test(any_split_adds_up),
		cmocka_unit_test(states_of_any_split_are_those_of_the_whole),
		cmocka_unit_test(states_that_lie_harm_nobody),
		cmocka_unit_test(as_many_groups_as_there_are_rows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
