#include "decoded.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/json/json_in.h"
#include "../../server/codec/query.h"
#include "../../server/eval/stream.h"
#include "../../server/shm/shm_uses.h"
#include "../../src/problem.h"
#include "budget.h"
#include "random.h"

#define RANDOM_WAYS 6

/* ---------------------------------------------------------------- text */

static void write_element(FILE *stream, const struct loss_tensor *tensor, size_t i)
{
	size_t size = loss_dtype_info(tensor->dtype)->size;
	loss_dtype_class class = loss_dtype_info(tensor->dtype)->dtype_class;
	const unsigned char *at = (const unsigned char *)tensor->data + i * size;
	uint64_t bits = 0;
	if (class == LOSS_CLASS_FLOAT) {
		double value = loss_float_get(tensor->dtype, tensor->data, i);
		fprintf(stream, tensor->dtype == LOSS_F64 ? " %.17g" : " %.9g", value);
	} else {
		memcpy(&bits, at, size); /* the tests' machines are little-endian */
		unsigned unused = 64 - 8 * (unsigned)size;
		if (class == LOSS_CLASS_SIGNED)
			fprintf(stream, " %" PRId64, (int64_t)(bits << unused) >> unused);
		else
			fprintf(stream, " %" PRIu64, bits);
	}
}

static void write_tensor(FILE *stream, const char *name, const struct loss_tensor *tensor)
{
	char shape[200];
	loss_tensor_format_shape(tensor, shape, sizeof shape);
	fprintf(stream, "%s %s %s:", name, loss_dtype_info(tensor->dtype)->name, shape);
	for (size_t k = 0; k < tensor->count && tensor->data; k++)
		write_element(stream, tensor, k);
	fputs(tensor->count > 0 && !tensor->data ? " evaluated as it came\n" : "\n", stream);
}

static void write_problem(FILE *stream, const struct loss_problem *problem)
{
	const struct loss_info *loss = &problem->loss->info;
	for (size_t i = 0; i < loss->n_tensors; i++)
		if (problem->present[loss->tensors[i].role])
			write_tensor(stream, loss->tensors[i].name,
				     &problem->tensors[loss->tensors[i].role]);
	for (size_t i = 0; i < loss->n_arguments; i++) {
		const struct loss_value *value =
			&problem->values[argument_row(loss->arguments[i])->id];
		bool quoted = value->type == LOSS_VALUE_STRING;
		if (problem->arguments_given >> i & 1)
			fprintf(stream, quoted ? "%s \"%s\"\n" : "%s %s\n",
				loss->arguments[i]->name,
				value->type == LOSS_VALUE_NULL ? "null" : value->text);
	}
	if (!problem->outputs_given)
		return;
	fprintf(stream, "outputs");
	for (size_t i = 0; i < problem->n_outputs; i++)
		fprintf(stream, " %s", problem->outputs[i].name);
	fputc('\n', stream);
}

static char *text_of(const struct loss_problem *problem, const struct loss_result *result)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	for (size_t i = 0; i < result->n_outputs; i++)
		write_tensor(stream, result->outputs[i].name, &result->outputs[i].tensor);
	if (result->n_outputs == 0)
		write_problem(stream, problem);
	fclose(stream);
	return text;
}

/* ---------------------------------------------------------------- one way */

enum cut { CUT_NOT, CUT_BYTES, CUT_RANDOM, CUT_ONCE };

struct cutting {
	enum cut cut;
	size_t first; /* of the bytes where it is cut once */
	struct random random;
};

static size_t piece_size(struct cutting *cutting, size_t done, size_t left)
{
	size_t n = left;
	if (cutting->cut == CUT_BYTES)
		n = 1;
	else if (cutting->cut == CUT_RANDOM)
		n = 1 + random_below(&cutting->random, 12);
	else if (cutting->cut == CUT_ONCE && done == 0)
		n = cutting->first;
	return n < left ? n : left;
}

static void feed(struct decoder *decoder, const char *body, size_t n, struct cutting *cutting)
{
	for (size_t done = 0; done < n;) {
		size_t size = piece_size(cutting, done, n - done);
		unsigned char *piece = malloc(size); /* so that a sanitizer sees its end */
		assert_non_null(piece);
		memcpy(piece, body + done, size);
		decoder->feed(decoder, piece, size);
		free(piece);
		done += size;
	}
}

static size_t size_of(const struct decode_options *options, const char *body)
{
	return options->size ? options->size : strlen(body);
}

struct attempt {
	const struct decode_options *options;
	struct loss_problem *problem;
	struct stream *stream; /* NULL, as the decoder, where the query is refused */
	struct decoder *decoder;
	struct shm_uses shared;
	struct style style;
	struct loss_result result;
	struct loss_error err;
};

static void create(struct attempt *a)
{
	const struct decode_options *options = a->options;
	struct loss_arena *arena = a->problem->arena;
	a->shared = (struct shm_uses){.shm = options->shm, .arena = arena};
	a->stream = stream_create(&(struct stream_setup){.problem = a->problem, .arena = arena});
	assert_non_null(a->stream);
	const struct decoder_setup setup = {
		.problem = a->problem,
		.arena = arena,
		.sink = stream_sink(a->stream),
		.limits = {.max_elements = options->max_elements ? options->max_elements
								 : UINT64_C(1) << 33,
			   .max_rank = options->max_rank ? options->max_rank : 8,
			   .max_header_bytes =
				   options->max_header_bytes ? options->max_header_bytes : 65536},
		.header_length = options->header_length,
		.style = &a->style,
		.shared = &a->shared,
	};
	a->decoder = (options->create ? options->create : json_in_create)(&setup);
	assert_non_null(a->decoder);
}

/* The body is decoded: plans and evaluates the problem as far as that is asked for. */
static loss_status follow(struct attempt *a)
{
	struct loss_plan *streamed = stream_plan(a->stream), *plan = streamed;
	bool run = a->options->run;
	loss_status status = LOSS_OK;
	if ((a->options->plan || run) && !plan)
		status = loss_plan_create(a->problem, a->problem->arena, &plan, &a->err);
	if (status == LOSS_OK && run && !streamed)
		status = loss_plan_run(plan, 1, NULL, &a->err);
	if (status == LOSS_OK && run)
		loss_plan_finish(plan, &a->result);
	if (status == LOSS_OK && run)
		status = shm_uses_verify(&a->shared, &a->err);
	return status;
}

/* Query, body and what follows. */
static loss_status run(struct attempt *a, const char *body, struct cutting *cutting)
{
	const char *query = a->options->query ? a->options->query : "";
	struct query_wish wish;
	loss_status status =
		query_apply(query, strlen(query), a->problem, a->problem->arena, &wish, &a->err);
	if (status != LOSS_OK)
		return status;
	create(a);
	feed(a->decoder, body, size_of(a->options, body), cutting);
	status = a->decoder->finish(a->decoder, &a->err);
	if (status == LOSS_OK)
		status = stream_finish(a->stream, &a->err);
	return status == LOSS_OK ? follow(a) : status;
}

static struct decoded decode_one_way(const struct decode_options *options, const char *body,
				     struct cutting *cutting)
{
	struct decoded decoded = {0};
	struct attempt attempt = {.options = options};
	struct loss_budget budget = {.limit = options->budget};
	const char *loss = options->loss ? options->loss : "cross_entropy";
	struct loss_arena *arena = loss_arena_create(options->budget ? &budget : NULL);
	assert_non_null(arena);
	attempt.problem = loss_problem_create(loss_find(loss, strlen(loss)), arena);
	assert_non_null(attempt.problem);
	decoded.status = run(&attempt, body, cutting);
	const struct decoder *decoder = attempt.decoder;
	if (decoded.status == LOSS_OK) {
		decoded.text = text_of(attempt.problem, &attempt.result);
	} else {
		assert_int_equal(attempt.err.status, decoded.status);
		snprintf(decoded.detail, sizeof decoded.detail, "%s", attempt.err.detail);
		if (decoder)
			decoder->pointer(decoder, &attempt.err, decoded.pointer,
					 sizeof decoded.pointer);
	}
	shm_uses_release(&attempt.shared);
	loss_arena_destroy(arena);
	assert_int_equal(loss_budget_held(&budget), 0);
	loss_budget_trim(&budget);
	return decoded;
}

void decode_problem(const char *body, struct loss_problem *problem)
{
	const struct decode_options options = {0};
	struct attempt attempt = {.options = &options, .problem = problem};
	struct cutting whole = {.cut = CUT_NOT};
	assert_int_equal(run(&attempt, body, &whole), LOSS_OK);
	shm_uses_release(&attempt.shared);
}

/* ---------------------------------------------------------------- all ways */

void decoded_free(struct decoded *decoded)
{
	free(decoded->text);
	decoded->text = NULL;
}

static const char *text_or_none(const struct decoded *decoded)
{
	return decoded->text ? decoded->text : "";
}

struct decoded decode(const struct decode_options *options, const char *body)
{
	size_t n = size_of(options, body), cuts = options->all_cuts && n > 0 ? n - 1 : 0;
	struct cutting cutting = {.cut = CUT_NOT, .random = random_start(n)};
	struct decoded whole = decode_one_way(options, body, &cutting);
	for (size_t i = 0; i <= RANDOM_WAYS + cuts; i++) {
		cutting.cut = i == 0 ? CUT_BYTES : i <= RANDOM_WAYS ? CUT_RANDOM : CUT_ONCE;
		cutting.first = i - RANDOM_WAYS;
		struct decoded cut = decode_one_way(options, body, &cutting);
		assert_string_equal(cut.detail, whole.detail);
		assert_string_equal(cut.pointer, whole.pointer);
		assert_string_equal(text_or_none(&cut), text_or_none(&whole));
		assert_int_equal(cut.status, whole.status);
		decoded_free(&cut);
	}
	return whole;
}

void assert_decodes(const struct decode_options *options, const char *body, const char *text)
{
	struct decoded decoded = decode(options, body);
	if (decoded.status != LOSS_OK)
		print_error("%s\n", body);
	assert_string_equal(decoded.detail, "");
	assert_string_equal(text_or_none(&decoded), text);
	decoded_free(&decoded);
}

void assert_refused(const struct decode_options *options, const char *body, loss_status status,
		    const char *pointer, const char *detail)
{
	struct decoded decoded = decode(options, body);
	if (strcmp(decoded.detail, detail) != 0 || strcmp(decoded.pointer, pointer) != 0)
		print_error("%s\n", body);
	assert_string_equal(decoded.detail, detail);
	assert_string_equal(decoded.pointer, pointer);
	assert_int_equal(decoded.status, status);
	decoded_free(&decoded);
}

void assert_all_decode(const struct decode_accepted *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_decodes(&(struct decode_options){.loss = cases[i].loss}, cases[i].body,
			       cases[i].text);
}

void assert_all_refused(const struct decode_refused *cases, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_refused(&(struct decode_options){.loss = cases[i].loss, .plan = 1},
			       cases[i].body, cases[i].status, cases[i].pointer, cases[i].detail);
}
