#include "decoded.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/codec/json_in.h"
#include "../../server/codec/query.h"
#include "../../src/problem.h"
#include "random.h"

#define RANDOM_WAYS 6

/* ---------------------------------------------------------------- text */

static void write_element(FILE *stream, const struct loss_tensor *tensor, size_t i)
{
	size_t size = loss_dtype_info(tensor->dtype)->size;
	loss_dtype_class class = loss_dtype_info(tensor->dtype)->class;
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

static void write_problem(FILE *stream, const struct loss_problem *problem)
{
	const struct loss_info *loss = &problem->row->info;
	char shape[200];
	for (size_t i = 0; i < loss->n_tensors; i++) {
		const struct loss_tensor *tensor = &problem->tensors[loss->tensors[i].role];
		if (!problem->present[loss->tensors[i].role])
			continue;
		loss_tensor_format_shape(tensor, shape, sizeof shape);
		fprintf(stream, "%s %s %s:", loss->tensors[i].name,
			loss_dtype_info(tensor->dtype)->name, shape);
		for (size_t k = 0; k < tensor->count; k++)
			write_element(stream, tensor, k);
		fputc('\n', stream);
	}
	for (size_t i = 0; i < loss->n_arguments; i++) {
		const struct loss_value *value = &problem->values[argument_id(loss->arguments[i])];
		bool quoted = value->type == LOSS_VALUE_STRING;
		if (problem->arguments_given & (1u << i))
			fprintf(stream, quoted ? "%s \"%s\"\n" : "%s %s\n",
				loss->arguments[i]->name,
				value->type == LOSS_VALUE_NULL ? "null" : value->text);
	}
	if (!problem->outputs_given)
		return;
	fprintf(stream, "outputs");
	for (size_t i = 0; i < problem->n_outputs; i++)
		fprintf(stream, " %s", problem->outputs[i]);
	fputc('\n', stream);
}

static char *text_of(const struct loss_problem *problem)
{
	char *text;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	assert_non_null(stream);
	write_problem(stream, problem);
	fclose(stream);
	return text;
}

/* ---------------------------------------------------------------- one way */

enum cut { CUT_NOT, CUT_BYTES, CUT_RANDOM };

static size_t piece_size(enum cut cut, size_t left, struct random *random)
{
	size_t n = cut == CUT_NOT ? left : cut == CUT_BYTES ? 1 : 1 + random_below(random, 12);
	return n < left ? n : left;
}

static void feed(struct decoder *decoder, const char *body, enum cut cut, struct random *random)
{
	size_t n = strlen(body);
	for (size_t done = 0; done < n;) {
		size_t size = piece_size(cut, n - done, random);
		unsigned char *piece = malloc(size); /* so that a sanitizer sees its end */
		assert_non_null(piece);
		memcpy(piece, body + done, size);
		decoder->feed(decoder, piece, size);
		free(piece);
		done += size;
	}
}

/* Query, body and plan; *decoder stays NULL where the query is refused. */
static loss_status run(const struct decode_options *options, const char *body, enum cut cut,
		       struct random *random, struct loss_problem *problem,
		       struct decoder **decoder, struct loss_error *err)
{
	struct loss_plan *plan;
	const char *query = options->query ? options->query : "";
	struct decoder_limits limits = {
		.max_elements = options->max_elements ? options->max_elements : UINT64_C(1) << 33,
		.max_rank = options->max_rank ? options->max_rank : 8,
	};
	loss_status status = query_apply(query, strlen(query), problem, problem->arena, err);
	if (status != LOSS_OK)
		return status;
	*decoder = json_in_create(problem, problem->arena, &limits);
	assert_non_null(*decoder);
	feed(*decoder, body, cut, random);
	status = (*decoder)->finish(*decoder, err);
	if (status == LOSS_OK && options->plan)
		status = loss_plan_create(problem, problem->arena, &plan, err);
	return status;
}

static struct decoded decode_one_way(const struct decode_options *options, const char *body,
				     enum cut cut, struct random *random)
{
	struct decoded decoded = {0};
	struct loss_error err = {0};
	struct loss_budget budget = {.limit = options->budget};
	struct decoder *decoder = NULL;
	const char *loss = options->loss ? options->loss : "cross_entropy";
	struct loss_arena *arena = loss_arena_create(options->budget ? &budget : NULL);
	assert_non_null(arena);
	struct loss_problem *problem = loss_problem_create(loss_find(loss, strlen(loss)), arena);
	assert_non_null(problem);
	decoded.status = run(options, body, cut, random, problem, &decoder, &err);
	if (decoded.status == LOSS_OK) {
		decoded.text = text_of(problem);
	} else {
		assert_int_equal(err.status, decoded.status);
		snprintf(decoded.detail, sizeof decoded.detail, "%s", err.detail);
		if (decoder)
			decoder->pointer(decoder, &err, decoded.pointer, sizeof decoded.pointer);
	}
	loss_arena_destroy(arena);
	assert_int_equal(budget.held, 0);
	return decoded;
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
	struct random random = random_start(strlen(body));
	struct decoded whole = decode_one_way(options, body, CUT_NOT, &random);
	for (int i = 0; i <= RANDOM_WAYS; i++) {
		struct decoded cut =
			decode_one_way(options, body, i == 0 ? CUT_BYTES : CUT_RANDOM, &random);
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
