/* One evaluation as a request has it: query, decoder, plan, kernels, encoders. */
#include "../../../server/eval/evaluation.h"
#include "../../../server/codec/safetensors/safetensors_out.h"

#include <string.h>

#include "../../../server/status/status.h"
#include "../../../src/budget.h"
#include "../../../src/problem.h"
#include "../../support/safetensors.h"
#include "driver.h"

/* A few bytes can name a large problem, whose evaluation would tell nothing new. */
#define MAX_ELEMENTS ((uint64_t)1 << 16)
#define MAX_BODY_BYTES ((uint64_t)1 << 20)

static void hash_tensor(struct fuzz_outcome *outcome, const struct loss_tensor *tensor)
{
	fuzz_hash(outcome, &tensor->dtype, sizeof tensor->dtype);
	fuzz_hash(outcome, &tensor->rank, sizeof tensor->rank);
	fuzz_hash(outcome, tensor->shape, (size_t)tensor->rank * sizeof tensor->shape[0]);
	if (tensor->data)
		fuzz_hash(outcome, tensor->data,
			  tensor->count * loss_dtype_info(tensor->dtype)->size);
}

static void hash_problem(struct fuzz_outcome *outcome, const struct loss_problem *problem)
{
	for (int role = 0; role < LOSS_N_ROLES; role++)
		if (problem->present[role])
			hash_tensor(outcome, &problem->tensors[role]);
}

static void hash_result(struct fuzz_outcome *outcome, const struct loss_result *result)
{
	const struct loss_totals *totals = &result->totals;
	for (size_t i = 0; i < result->n_outputs; i++) {
		fuzz_hash(outcome, result->outputs[i].name, strlen(result->outputs[i].name));
		hash_tensor(outcome, &result->outputs[i].tensor);
	}
	for (size_t i = 0; i < result->n_warnings; i++)
		fuzz_hash(outcome, result->warnings[i], strlen(result->warnings[i]));
	if (!result->has_totals)
		return;
	fuzz_hash(outcome, &totals->loss_sum, sizeof totals->loss_sum);
	fuzz_hash(outcome, &totals->denominator, sizeof totals->denominator);
	fuzz_hash(outcome, &totals->counted, sizeof totals->counted);
	fuzz_hash(outcome, &totals->ignored, sizeof totals->ignored);
}

/* ---------------------------------------------------------------- replies */

/* What a decoder of safetensors finds in a reply are the result's bits. */
static void check_safetensors(const struct loss_result *result, const struct loss_buffer *body)
{
	for (size_t i = 0; i < result->n_outputs; i++) {
		const struct loss_output *output = &result->outputs[i];
		struct loss_tensor found;
		size_t size = loss_dtype_info(output->tensor.dtype)->size * output->tensor.count;
		fuzz_check(safetensors_find((const char *)body->data, body->size, output->name,
					    &found),
			   "the reply has no %s", output->name);
		fuzz_check(
			found.dtype == output->tensor.dtype &&
				found.count == output->tensor.count &&
				(size == 0 || memcmp(found.data, output->tensor.data, size) == 0),
			"the reply has other bits of %s", output->name);
	}
}

/* The document of a reply, which has bytes after it where a header says how long it is. */
static void check_document(const struct encoded *out, const struct loss_buffer *body)
{
	size_t size = body->size;
	if (out->value) {
		size = 0;
		for (const char *digit = out->value; *digit >= '0' && *digit <= '9'; digit++)
			size = size * 10 + (size_t)(*digit - '0');
		fuzz_check(size > 0 && size <= body->size, "%s: %s, of %zu bytes", out->header,
			   out->value, body->size);
	}
	fuzz_check_json(body->data, size);
}

/* In one piece of memory; NULL where it is refused. */
static struct loss_buffer *write_reply(struct evaluation *e, struct loss_error *err)
{
	struct loss_buffer *body = loss_buffer_create(e->arena);
	enum encoder_end end = ENCODER_MORE;
	e->encoder = NULL;
	e->written = false;
	while (end == ENCODER_MORE)
		end = evaluation_write(e, err);
	fuzz_check(body != NULL, "no memory for a reply");
	for (size_t i = 0; end == ENCODER_DONE && i < e->body.n_parts; i++)
		fuzz_check(loss_buffer_append(body, e->body.parts[i].data, e->body.parts[i].size),
			   "no memory for a reply");
	return end == ENCODER_DONE ? body : NULL;
}

static void write_replies(struct evaluation *e, const struct protocol *protocol,
			  struct fuzz_outcome *outcome)
{
	for (const struct reply_format *format = protocol->replies; format->content_type;
	     format++) {
		e->kind.format = format;
		const struct loss_buffer *body = write_reply(e, &outcome->err);
		if (!body)
			return;
		if (format->create == safetensors_out_create)
			check_safetensors(e->result, body);
		else
			check_document(&e->encoded, body);
	}
}

/* ---------------------------------------------------------------- one way */

static void feed(void *context, const unsigned char *bytes, size_t n)
{
	evaluation_feed(context, bytes, n);
}

static void keep(struct loss_error *err, const struct loss_error *found)
{
	if (status_precedes(found->status, err->status))
		*err = *found;
}

static void run(struct evaluation *e, const struct fuzz_evaluation *way,
		struct fuzz_outcome *outcome)
{
	struct loss_error *err = &outcome->err;
	if (evaluation_plan(e, err) != LOSS_OK || loss_plan_elements(e->plan) > MAX_ELEMENTS)
		return;
	if (evaluation_run(e, 1, UINT64_MAX, err) != LOSS_OK)
		return;
	if (!way->set) /* rows that were evaluated as they came are not there any more */
		hash_problem(outcome, e->problem);
	hash_result(outcome, e->result);
	write_replies(e, way->protocol, outcome);
}

static struct evaluation *create(const struct fuzz_evaluation *way, struct timings *timings,
				 struct loss_arena *arena, struct loss_error *err)
{
	const char *text = way->loss_and_query;
	size_t n = strcspn(text, "?");
	const struct loss_info *loss = loss_find(text, n);
	const struct evaluation_kind kind = {
		.loss = loss ? loss : loss_find("cross_entropy", strlen("cross_entropy")),
		.media = &way->protocol->requests[way->media],
		.format = way->protocol->replies,
		.coding = way->coding,
		.max_body_bytes = MAX_BODY_BYTES,
		.limits = {.max_elements = UINT64_C(1) << 33,
			   .max_rank = 8,
			   .max_header_bytes = 65536},
		.header_length = way->header_length,
	};
	const char *query = text[n] ? text + n + 1 : "";
	struct evaluation *e = evaluation_create(&kind, arena, timings);
	fuzz_check(e != NULL, "no memory for an evaluation");
	evaluation_query(e, query, strlen(query), err);
	fuzz_check(e->decoder != NULL, "no memory for a decoder");
	return e;
}

void fuzz_evaluate(const struct fuzz_evaluation *way, enum fuzz_cut cut,
		   struct fuzz_outcome *outcome)
{
	struct loss_error found = {.status = LOSS_OK};
	struct timings timings = {.start_ns = clock_ns()};
	struct loss_budget budget = {.limit = (size_t)1 << 30};
	struct loss_arena *arena = loss_arena_create(&budget);
	fuzz_check(arena != NULL, "no memory for an arena");
	fuzz_outcome_start(outcome);
	struct evaluation *e = create(way, &timings, arena, &outcome->err);
	if (cut == FUZZ_LIES)
		way->set(e->decoder, way->body.bytes, way->body.n);
	else
		fuzz_feed(&way->body, cut, feed, e);
	evaluation_decode(e, &found);
	keep(&outcome->err, &found);
	if (outcome->err.status == LOSS_OK)
		run(e, way, outcome);
	if (outcome->err.status != LOSS_OK) {
		e->decoder->pointer(e->decoder, &outcome->err, outcome->pointer,
				    sizeof outcome->pointer);
		fuzz_check_error(&outcome->err, outcome->pointer);
	}
	evaluation_end(e);
	loss_arena_destroy(arena);
	fuzz_check(loss_budget_held(&budget) == 0, "%zu bytes of the budget are still held",
		   loss_budget_held(&budget));
	loss_budget_trim(&budget);
}

/* ---------------------------------------------------------------- all ways */

void fuzz_evaluate_all(const struct fuzz_evaluation *evaluation)
{
	struct fuzz_outcome whole, cut;
	fuzz_evaluate(evaluation, FUZZ_WHOLE, &whole);
	fuzz_evaluate(evaluation, FUZZ_BYTES, &cut);
	fuzz_same(&whole, &cut, "whole and byte by byte");
	fuzz_evaluate(evaluation, FUZZ_PIECES, &cut);
	fuzz_same(&whole, &cut, "whole and in pieces");
	if (!evaluation->set)
		return;
	fuzz_evaluate(evaluation, FUZZ_LIES, &cut);
	fuzz_same(&whole, &cut, "whole and where it lies");
}
