/*
 * Every PyTorch fixture in process: the JSON decoder and the evaluation, without HTTP. Each case
 * runs with one thread and the whole body at once, then with two threads and the body in pieces:
 * the same bits must come out.
 */
#include "../support/eval.h"
#include "../support/fixture.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/codec/json/json_in.h"
#include "../../server/eval/stream.h"
#include "loss.h"

struct run {
	struct loss_arena *arena;
	struct loss_result result;
	struct loss_error error;
	loss_status status;
};

static const struct decoder_limits limits = {.max_elements = UINT64_C(1) << 33, .max_rank = 8};

static loss_status evaluate(const struct fixture *fixture, struct run *run, int threads,
			    size_t piece)
{
	const struct loss_info *info = loss_find(fixture->loss, strlen(fixture->loss));
	assert_non_null(info);
	run->arena = loss_arena_create(NULL);
	assert_non_null(run->arena);
	struct loss_problem *problem = loss_problem_create(info, run->arena);
	assert_non_null(problem);
	loss_problem_set_isa(problem, eval_isa());
	struct stream *stream =
		stream_create(&(struct stream_setup){.problem = problem, .arena = run->arena});
	assert_non_null(stream);
	struct decoder *decoder =
		json_in_create(&(struct decoder_setup){.problem = problem,
						       .arena = run->arena,
						       .sink = stream_sink(stream),
						       .limits = limits});
	assert_non_null(decoder);
	size_t size = strlen(fixture->request);
	for (size_t at = 0; at < size; at += piece) {
		/* A copy of exact size: a read past its end is a finding of the address sanitizer.
		 */
		size_t n = size - at < piece ? size - at : piece;
		unsigned char *bytes = malloc(n);
		assert_non_null(bytes);
		memcpy(bytes, fixture->request + at, n);
		decoder->feed(decoder, bytes, n);
		free(bytes);
	}
	loss_status status = decoder->finish(decoder, &run->error);
	if (status != LOSS_OK)
		return status;
	return loss_evaluate(problem, run->arena, threads, NULL, &run->result, &run->error);
}

static double element(const struct loss_tensor *tensor, size_t i)
{
	if (LOSS_DTYPE_BIT(tensor->dtype) & LOSS_FLOAT_DTYPES)
		return loss_float_get(tensor->dtype, tensor->data, i);
	switch (tensor->dtype) {
	case LOSS_I64:
		return (double)((const int64_t *)tensor->data)[i];
	case LOSS_BOOL:
		return (double)((const uint8_t *)tensor->data)[i];
	default:
		fail_msg("an output of dtype %s", loss_dtype_info(tensor->dtype)->name);
		return (double)NAN;
	}
}

static bool output_agrees(const struct fixture *fixture, const struct loss_output *output)
{
	const struct loss_tensor *tensor = &output->tensor;
	double *values = malloc((tensor->count + 1) * sizeof(*values));
	assert_non_null(values);
	for (size_t i = 0; i < tensor->count; i++)
		values[i] = element(tensor, i);
	struct fixture_output got = {.name = output->name,
				     .rank = tensor->rank,
				     .count = tensor->count,
				     .values = values};
	memcpy(got.shape, tensor->shape, sizeof(got.shape));
	bool fine = fixture_output_agrees(fixture, &got);
	free(values);
	return fine;
}

static bool result_agrees(const struct fixture *fixture, const struct loss_result *result)
{
	bool fine = true;
	size_t n = 0;
	for (; n < result->n_outputs; n++)
		fine &= output_agrees(fixture, &result->outputs[n]);
	if (fixture_expected(fixture, n) != NULL || n == 0)
		fine = fixture_complain(fixture, "only %zu outputs", n);
	if (result->has_totals != (fixture->totals != NULL))
		return fixture_complain(fixture, "totals: %d", (int)result->has_totals);
	if ((result->n_warnings > 0) != fixture->warns)
		fine = fixture_complain(fixture, "%zu warnings", result->n_warnings);
	if (!result->has_totals)
		return fine;
	const struct loss_totals *t = &result->totals;
	struct fixture_totals got = {.loss_sum = t->loss_sum,
				     .denominator = t->denominator,
				     .rows = (double)t->rows,
				     .counted = (double)t->counted,
				     .ignored = (double)t->ignored};
	return fixture_totals_agree(fixture, &got) && fine;
}

static bool same_bits(const struct fixture *fixture, const struct loss_result *a,
		      const struct loss_result *b)
{
	for (size_t i = 0; i < a->n_outputs; i++) {
		const struct loss_tensor *x = &a->outputs[i].tensor;
		const struct loss_tensor *y = &b->outputs[i].tensor;
		size_t bytes = x->count * loss_dtype_info(x->dtype)->size;
		if (x->dtype != y->dtype || x->count != y->count ||
		    (bytes > 0 && memcmp(x->data, y->data, bytes) != 0))
			return fixture_complain(fixture, "%s has other bits with two threads",
						a->outputs[i].name);
	}
	const double *sum = &a->totals.loss_sum, *other = &b->totals.loss_sum;
	if (a->has_totals && *sum != *other && !(isnan(*sum) && isnan(*other)))
		return fixture_complain(fixture, "loss_sum is another with two threads");
	return true;
}

static bool check(const struct fixture *fixture, void *context)
{
	(void)context;
	struct run runs[2] = {0};
	runs[0].status = evaluate(fixture, &runs[0], 1, SIZE_MAX);
	runs[1].status = evaluate(fixture, &runs[1], 2, 7);
	bool fine = true;
	for (int i = 0; i < 2; i++) {
		if (runs[i].status != LOSS_OK)
			fine = fixture_complain(fixture, "%s: %s",
						loss_status_info(runs[i].status)->code,
						runs[i].error.detail);
		else
			fine &= result_agrees(fixture, &runs[i].result);
	}
	if (fine)
		fine = same_bits(fixture, &runs[0].result, &runs[1].result);
	for (int i = 0; i < 2; i++)
		loss_arena_destroy(runs[i].arena);
	return fine;
}

static void test_file(void **state)
{
	fixture_run(*state, check, NULL);
}

#define FILE_NAME(name) static char file_##name[] = #name;
FIXTURE_FILES(FILE_NAME)

static void test_every_file_is_listed(void **state)
{
	(void)state;
	static const char *const listed[] = {
#define LISTED(name) #name ".json",
		FIXTURE_FILES(LISTED)};
	size_t n = sizeof(listed) / sizeof(listed[0]), found = 0;
	DIR *folder = opendir("tests/fixtures/pytorch");
	assert_non_null(folder);
	for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		size_t i = 0;
		while (i < n && strcmp(listed[i], entry->d_name) != 0)
			i++;
		if (i == n)
			fail_msg("%s is in no row of FIXTURE_FILES", entry->d_name);
		found++;
	}
	closedir(folder);
	assert_int_equal(found, n);
}

/* The comparison itself can fail: a test that can not is none. */
static void test_comparison_fails_where_it_must(void **state)
{
	(void)state;
	assert_true(fixture_close(1.0, 1.0 + 1e-7, 1e-6, 0.0));
	assert_false(fixture_close(1.0, 1.0 + 3e-6, 1e-6, 0.0));
	assert_false(fixture_close((double)NAN, 1.0, 1e-6, 1.0));
	assert_false(fixture_close(1.0, (double)NAN, 1e-6, 1.0));
	assert_true(fixture_close((double)NAN, (double)NAN, 1e-6, 0.0));
	assert_true(fixture_close((double)INFINITY, (double)INFINITY, 1e-6, 0.0));
	assert_false(fixture_close(-(double)INFINITY, (double)INFINITY, 1e-6, 1.0));
	assert_false(fixture_close((double)INFINITY, 1e300, 1e-6, 1.0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define FILE_TEST(name) {#name, test_file, NULL, NULL, file_##name},
		FIXTURE_FILES(FILE_TEST) cmocka_unit_test(test_every_file_is_listed),
		cmocka_unit_test(test_comparison_fails_where_it_must),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
