#include "element.h"

#include <math.h>
#include <string.h>

#include "../calibration.h"
#include "broadcast.h"
#include "elementary.h"
#include "half.h"

/* ---------------------------------------------------------------- reading */

size_t element_place(const struct loss_plan *plan, loss_role role, size_t i)
{
	return broadcast_place(&plan->tensors[role], &plan->tensors[LOSS_ROLE_INPUT], i);
}

double element_factor(const struct loss_plan *plan, loss_role role, size_t i)
{
	if (!plan->present[role])
		return 1.0;
	return tensor_number(&plan->tensors[role], element_place(plan, role, i));
}

/* Elements that go through a kernel at a time: some ten buffers of them fit a first-level cache. */
#define CHUNK_ELEMENTS ((size_t)512)

union chunk_numbers {
	_Alignas(64) double d[CHUNK_ELEMENTS];
	float f[CHUNK_ELEMENTS];
};

struct chunk {
	const struct loss_plan *plan;
	size_t first, n;
	const struct element_loss *of;
	bool masked; /* kept says which elements count */
	bool wide;   /* the input is F64; else its elements are floats */
	union chunk_numbers x, t, loss, grad;
	double weight[CHUNK_ELEMENTS], pos_weight[CHUNK_ELEMENTS], upstream[CHUNK_ELEMENTS];
	double own[CHUNK_ELEMENTS];
	double kept[CHUNK_ELEMENTS]; /* 1, or 0 of what is left out */
	/* by_row: the row at hand, its next class, and its losses so far. */
	size_t r, c;
	struct sum losses;
	double added[CHUNK_ELEMENTS];
};

static bool is_whole(const struct chunk *chunk)
{
	return chunk->n % LANES == 0;
}

/* Elements [i, i + n) of a tensor of any type but F64 as floats. */
static void copy(const struct loss_plan *plan, const struct loss_tensor *tensor, size_t i, size_t n,
		 float *to)
{
	const void *from = (const unsigned char *)tensor->data + i * dtype_size(tensor->dtype);
	if (tensor->dtype == LOSS_BOOL)
		for (size_t k = 0; k < n; k++)
			to[k] = (float)((const unsigned char *)from)[k];
	else
		plan->kernels->floats->load(tensor->dtype, from, to, n);
}

/* Elements [i, i + n), at most a chunk, of a tensor of any type as doubles. */
static void widen(const struct loss_plan *plan, const struct loss_tensor *tensor, size_t i,
		  size_t n, double *to)
{
	float floats[CHUNK_ELEMENTS];
	if (tensor->dtype == LOSS_F64) {
		memcpy(to, (const double *)tensor->data + i, n * sizeof *to);
		return;
	}
	copy(plan, tensor, i, n, floats);
	for (size_t k = 0; k < n; k++)
		to[k] = (double)floats[k];
}

/* The factors of the chunk's elements. */
static void spread(const struct chunk *chunk, const struct loss_tensor *small, double *to)
{
	const struct loss_plan *plan = chunk->plan;
	const struct loss_tensor *input = &plan->tensors[LOSS_ROLE_INPUT];
	bool in_one_place;
	size_t length = broadcast_run(small, input, &in_one_place);
	for (size_t done = 0, run; done < chunk->n; done += run) {
		size_t i = chunk->first + done;
		size_t left = length - i % length;
		run = left < chunk->n - done ? left : chunk->n - done;
		widen(plan, small, broadcast_place(small, input, i), in_one_place ? 1 : run,
		      to + done);
		for (size_t k = 1; in_one_place && k < run; k++)
			to[done + k] = to[done];
	}
}

/* The chunk's floats, in place where they are floats already; the last one is repeated until a
 * group of lanes is full. */
static const float *floats(const struct chunk *chunk, loss_role role, float *buffer)
{
	const struct loss_tensor *tensor = &chunk->plan->tensors[role];
	if (tensor->dtype == LOSS_F32 && is_whole(chunk) && !chunk->masked)
		return (const float *)tensor->data + chunk->first;
	copy(chunk->plan, tensor, chunk->first, chunk->n, buffer);
	for (size_t i = chunk->n; i % LANES != 0; i++)
		buffer[i] = buffer[i - 1];
	return buffer;
}

/* The same of doubles, and of a tensor that broadcasts; NULL where there is none. */
static const double *doubles(const struct chunk *chunk, loss_role role, double *buffer)
{
	const struct loss_plan *plan = chunk->plan;
	const struct loss_tensor *tensor = &plan->tensors[role];
	if (!plan->present[role])
		return NULL;
	size_t count = plan->tensors[LOSS_ROLE_INPUT].count;
	if (tensor->dtype == LOSS_F64 && tensor->count == count && is_whole(chunk) &&
	    !chunk->masked)
		return (const double *)tensor->data + chunk->first;
	if (tensor->count == count)
		widen(plan, tensor, chunk->first, chunk->n, buffer);
	else
		spread(chunk, tensor, buffer);
	for (size_t i = chunk->n; i % LANES != 0; i++)
		buffer[i] = buffer[i - 1];
	return buffer;
}

/* By row: what the tensor has for the row of each element. */
static const double *rows_of(const struct chunk *chunk, loss_role role, double *to)
{
	const struct loss_plan *plan = chunk->plan;
	if (!plan->present[role])
		return NULL;
	size_t r = chunk->first / plan->classes, c = chunk->first % plan->classes;
	for (size_t i = 0; i < chunk->n; i++) {
		to[i] = tensor_number(&plan->tensors[role], r);
		c = c + 1 < plan->classes ? c + 1 : 0;
		r += c == 0;
	}
	for (size_t i = chunk->n; i % LANES != 0; i++)
		to[i] = to[i - 1];
	return to;
}

/* What is for each row of the loss: an element, or all of its classes. */
static const double *of_rows(const struct chunk *chunk, loss_role role, double *to)
{
	return chunk->of->by_row ? rows_of(chunk, role, to) : doubles(chunk, role, to);
}

/* Where results go: to the output itself where its elements are what the kernel writes and the
 * chunk is whole. */
static void *result_place(const struct chunk *chunk, const struct loss_tensor *out,
			  union chunk_numbers *buffer)
{
	if (!is_whole(chunk) || out->dtype != (chunk->wide ? LOSS_F64 : LOSS_F32))
		return buffer;
	return (unsigned char *)out->data + chunk->first * dtype_size(out->dtype);
}

/* What is left out becomes an element like any other, of weight 0. The buffers hold everything. */
static void leave_out(struct chunk *chunk, struct elements *elements)
{
	double *weight = elements->weight ? chunk->weight : chunk->kept;
	of_rows(chunk, LOSS_ROLE_MASK, chunk->kept);
	for (size_t i = 0; i < elements->n; i++) {
		chunk->kept[i] = chunk->kept[i] != 0.0;
		if (chunk->kept[i] != 0.0)
			continue;
		if (chunk->wide)
			chunk->x.d[i] = 0.5;
		else
			chunk->x.f[i] = 0.5f;
		if (elements->t)
			chunk->t.f[i] = 0.0f;
		else
			chunk->t.d[i] = 0.0;
		weight[i] = 0.0;
		chunk->pos_weight[i] = chunk->own[i] = 1.0;
	}
	elements->weight = weight;
}

/* Of the gradients of all elements, but for upstream ones that differ. */
static struct sum scale_of(const struct chunk *chunk)
{
	const struct loss_plan *plan = chunk->plan;
	bool none = plan->reduction == REDUCTION_NONE;
	struct sum scale = none ? sum_from(1.0) : plan_scale(plan, 0);
	return chunk->of->by_row ? ratio(scale, sum_from((double)plan->classes)) : scale;
}

static struct elements elements_of(struct chunk *chunk)
{
	const struct loss_plan *plan = chunk->plan;
	const struct loss_tensor *targets = &plan->tensors[LOSS_ROLE_TARGETS];
	bool none = plan->reduction == REDUCTION_NONE;
	struct sum scale = scale_of(chunk);
	struct elements elements = {
		.n = (chunk->n + LANES - 1) / LANES * LANES,
		.wide = chunk->wide,
		.weight = doubles(chunk, LOSS_ROLE_WEIGHT, chunk->weight),
		.pos_weight = doubles(chunk, LOSS_ROLE_POS_WEIGHT, chunk->pos_weight),
		.scale = scale.high,
		.scale_low = scale.low,
		.alpha = plan->args.alpha,
		.gamma = plan->args.gamma,
		.own = doubles(chunk, LOSS_ROLE_OWN_1, chunk->own),
		.parameter = chunk->of->parameter,
		.full = plan->args.full,
		.added = chunk->added,
	};
	if (chunk->wide)
		elements.x = doubles(chunk, LOSS_ROLE_INPUT, chunk->x.d);
	else
		elements.x = floats(chunk, LOSS_ROLE_INPUT, chunk->x.f);
	if (chunk->wide || targets->dtype == LOSS_F64 ||
	    targets->count != plan->tensors[LOSS_ROLE_INPUT].count)
		elements.wide_t = doubles(chunk, LOSS_ROLE_TARGETS, chunk->t.d);
	else
		elements.t = floats(chunk, LOSS_ROLE_TARGETS, chunk->t.f);
	if (chunk->masked)
		leave_out(chunk, &elements);
	if (none && plan->wanted[OUTPUT_LOSS] && !chunk->of->by_row)
		elements.loss = result_place(chunk, &plan->outputs[OUTPUT_LOSS], &chunk->loss);
	if (!plan->wanted[OUTPUT_GRAD])
		return elements;
	const struct loss_tensor *grad = &plan->outputs[OUTPUT_GRAD];
	elements.grad = result_place(chunk, grad, &chunk->grad);
	if (half_bytes(grad->dtype) != 0)
		elements.narrow =
			(unsigned char *)grad->data + chunk->first * half_bytes(grad->dtype);
	elements.narrow_dtype = grad->dtype;
	elements.n_narrow = chunk->n;
	if (none)
		elements.upstream = of_rows(chunk, LOSS_ROLE_GRAD_OUTPUT, chunk->upstream);
	return elements;
}

/* ---------------------------------------------------------------- evaluating */

void element_put_grad(const struct loss_plan *plan, size_t i, double grad)
{
	if (plan->wanted[OUTPUT_GRAD])
		tensor_put(&plan->outputs[OUTPUT_GRAD], i, times(grad, plan_scale(plan, i)));
}

static bool is_left_out(const struct loss_plan *plan, size_t i)
{
	if (!plan->loss->info.element_wise) /* by_row */
		return plan_is_masked(plan, i / plan->classes);
	return plan->present[LOSS_ROLE_MASK] && element_factor(plan, LOSS_ROLE_MASK, i) == 0.0;
}

/* Loss and gradient of an element that is left out. */
static void put_nothing(const struct loss_plan *plan, size_t i)
{
	bool by_element = plan->loss->info.element_wise;
	if (by_element && plan->wanted[OUTPUT_LOSS] && plan->reduction == REDUCTION_NONE)
		tensor_put(&plan->outputs[OUTPUT_LOSS], i, 0.0);
	if (plan->wanted[OUTPUT_GRAD])
		tensor_put(&plan->outputs[OUTPUT_GRAD], i, 0.0);
}

/* The next loss, by_row: a row's is the sum of its elements' in their order, over their number.
 * What is left out has added nothing. */
static void add_to_row(struct chunk *chunk, double loss, struct partial *partial)
{
	size_t classes = chunk->plan->classes;
	sum_add(&chunk->losses, loss);
	if (++chunk->c < classes)
		return;
	plan_put_loss(chunk->plan, chunk->r, sum_value(&chunk->losses) / (double)classes, partial);
	chunk->r++;
	chunk->c = 0;
	chunk->losses = sum_from(0.0);
}

/* Element i of the input by itself. */
static void run_one(struct chunk *chunk, size_t i, struct partial *partial)
{
	const struct loss_plan *plan = chunk->plan;
	bool left_out = is_left_out(plan, i);
	if (left_out)
		put_nothing(plan, i);
	double loss = left_out ? 0.0 : chunk->of->one(plan, i);
	if (chunk->of->by_row)
		add_to_row(chunk, loss, partial);
	else if (!left_out)
		plan_put_loss(plan, i, loss, partial);
}

/* What n elements from the chunk's element `at` on add, which are in `added`. */
static void add_all(struct chunk *chunk, size_t at, size_t n, struct partial *partial)
{
	for (size_t i = at; chunk->of->by_row && i < at + n; i++)
		add_to_row(chunk, chunk->added[i], partial);
	if (!chunk->of->by_row && n == 1)
		exact_feed_add(&partial->loss, chunk->plan->kernels, chunk->added[at]);
	else if (!chunk->of->by_row)
		exact_feed_add_all(&partial->loss.sum, chunk->plan->kernels, chunk->added + at, n);
}

/* n results to elements from i on of an output, unless they are there already, or the kernel has
 * rounded them to its type. */
static void put(const struct loss_tensor *out, size_t i, const void *from, size_t n, bool wide)
{
	size_t size = dtype_size(out->dtype);
	void *to = (unsigned char *)out->data + i * size;
	if (out->dtype == (wide ? LOSS_F64 : LOSS_F32) && from != to)
		memcpy(to, from, n * size);
	for (size_t k = 0; wide && out->dtype == LOSS_F32 && k < n; k++)
		((float *)to)[k] = (float)((const double *)from)[k];
}

static void put_results(const struct chunk *chunk, const struct elements *elements, size_t at,
			size_t n)
{
	const struct loss_plan *plan = chunk->plan;
	if (elements->loss)
		put(&plan->outputs[OUTPUT_LOSS], chunk->first + at, elements->loss, n, chunk->wide);
	if (elements->grad)
		put(&plan->outputs[OUTPUT_GRAD], chunk->first + at, elements->grad, n, chunk->wide);
}

static bool all_regular(const struct elements *elements)
{
	size_t regular = 0;
	for (size_t lane = 0; lane < LANES; lane++)
		regular += elements_regular(elements, lane);
	return regular == LANES;
}

static const double *advance(const double *p, size_t n)
{
	return p ? p + n : NULL;
}

/* A group of lanes, of which n hold elements. */
static struct elements group_of(const struct elements *all, size_t at, size_t n)
{
	size_t bytes = at * (all->wide ? sizeof(double) : sizeof(float));
	size_t narrow_bytes = at * half_bytes(all->narrow_dtype);
	struct elements group = {
		.n = LANES,
		.wide = all->wide,
		.x = (const unsigned char *)all->x + bytes,
		.t = all->t ? all->t + at : NULL,
		.wide_t = advance(all->wide_t, at),
		.weight = advance(all->weight, at),
		.pos_weight = advance(all->pos_weight, at),
		.upstream = advance(all->upstream, at),
		.scale = all->scale,
		.scale_low = all->scale_low,
		.alpha = all->alpha,
		.gamma = all->gamma,
		.own = advance(all->own, at),
		.parameter = all->parameter,
		.full = all->full,
		.loss = all->loss ? (unsigned char *)all->loss + bytes : NULL,
		.grad = all->grad ? (unsigned char *)all->grad + bytes : NULL,
		.added = all->added + at,
		.narrow = all->narrow ? (unsigned char *)all->narrow + narrow_bytes : NULL,
		.n_narrow = n,
		.narrow_dtype = all->narrow_dtype,
	};
	return group;
}

/* One element a lane, from the chunk's element `at` on: what is not regular is evaluated on its
 * own. */
static void run_group(struct chunk *chunk, const struct elements *all, size_t at,
		      struct partial *partial)
{
	size_t n = chunk->n - at < LANES ? chunk->n - at : LANES;
	struct elements group = group_of(all, at, n);
	chunk->plan->kernels->elements[chunk->of->kernel](&group);
	put_results(chunk, &group, at, n);
	for (size_t lane = 0; lane < n; lane++)
		if (elements_regular(&group, lane))
			add_all(chunk, at + lane, 1, partial);
		else
			run_one(chunk, chunk->first + at + lane, partial);
}

/*
 * All of the chunk at once, in the hope that all of it is regular; else, and at the end, where
 * lanes are left over, one element a lane.
 */
static void run_chunk(struct chunk *chunk, struct partial *partial)
{
	struct elements elements = elements_of(chunk);
	if (elements.n == chunk->n) {
		chunk->plan->kernels->elements[chunk->of->kernel](&elements);
		if (all_regular(&elements)) {
			put_results(chunk, &elements, 0, chunk->n);
			add_all(chunk, 0, chunk->n, partial);
			return;
		}
	}
	for (size_t at = 0; at < chunk->n; at += LANES)
		run_group(chunk, &elements, at, partial);
}

/* Products with a scale beyond these might leave a double's range on the way; whether gradients are
 * wanted makes no difference, for no output's bits depend on the others. */
#define LEAST_SCALE 0x1p-300
#define MOST_SCALE 0x1p300

static bool kernels_take(const struct loss_plan *plan)
{
	if (plan->reduction == REDUCTION_NONE)
		return true;
	double scale = fabs(plan_scale(plan, 0).high);
	return scale == 0.0 || (scale >= LEAST_SCALE && scale <= MOST_SCALE);
}

/* Elements of the next chunk: whole groups of lanes, as long as there are any. */
static size_t chunk_size(size_t left)
{
	size_t most = left < CHUNK_ELEMENTS ? left : CHUNK_ELEMENTS;
	return most < LANES ? most : most / LANES * LANES;
}

/* Whether to go on once so many elements are done: a row, by_row, may have many millions. */
static bool goes_on(const struct loss_plan *plan, size_t done, size_t n)
{
	return done < n && (done % CANCEL_CLASSES != 0 || !plan_is_cancelled(plan));
}

static void run_chunks(struct chunk *chunk, size_t first, size_t n, struct partial *partial)
{
	for (size_t done = 0; goes_on(chunk->plan, done, n); done += chunk->n) {
		chunk->first = first + done;
		chunk->n = chunk_size(n - done);
		run_chunk(chunk, partial);
		for (size_t i = 0; chunk->masked && i < chunk->n; i++)
			if (chunk->kept[i] == 0.0)
				put_nothing(chunk->plan, chunk->first + i);
	}
}

/* ---------------------------------------------------------------- what is said of elements */

void element_sum_weights(const struct loss_plan *plan, struct exact_sum *sum)
{
	struct chunk chunk;
	chunk.plan = plan;
	chunk.masked = true; /* its buffers hold everything */
	memset(chunk.kept, 0, sizeof chunk.kept);
	memset(chunk.weight, 0, sizeof chunk.weight);
	for (size_t i = 0; i < plan->rows; i += chunk.n) {
		chunk.first = i;
		chunk.n = chunk_size(plan->rows - i);
		doubles(&chunk, LOSS_ROLE_WEIGHT, chunk.weight);
		if (doubles(&chunk, LOSS_ROLE_MASK, chunk.kept))
			for (size_t k = 0; k < chunk.n; k++)
				chunk.weight[k] = chunk.kept[k] != 0.0 ? chunk.weight[k] : 0.0;
		exact_feed_add_all(sum, plan->kernels, chunk.weight, chunk.n);
	}
}

/* NaN is never right, and its confidence is none. */
static void predict(const struct loss_plan *plan, size_t i, const struct element_loss *loss,
		    struct partial *partial)
{
	double x = tensor_number(&plan->tensors[LOSS_ROLE_INPUT], i);
	bool is_true = tensor_number(&plan->tensors[LOSS_ROLE_TARGETS], i) > 0.5;
	partial->correct += x == x && (x > loss->even) == is_true;
	if (!plan->wanted[OUTPUT_ECE])
		return;
	double p = loss->positive(x);
	calibration_add(partial, calibration_bin_of(p, (size_t)plan->args.ece_bins), p, is_true);
}

void element_rows(const struct loss_plan *plan, size_t first, size_t n, struct partial *partial,
		  const struct element_loss *loss)
{
	struct chunk chunk; /* its buffers stay as they are */
	size_t classes = loss->by_row ? plan->classes : 1;
	chunk.plan = plan;
	chunk.wide = plan->tensors[LOSS_ROLE_INPUT].dtype == LOSS_F64;
	chunk.masked = plan->present[LOSS_ROLE_MASK];
	chunk.of = loss;
	chunk.r = first;
	chunk.c = 0;
	chunk.losses = sum_from(0.0);
	if (loss->kernel < N_ELEMENT_KERNELS && kernels_take(plan))
		run_chunks(&chunk, first * classes, n * classes, partial);
	else
		for (size_t i = 0; goes_on(plan, i, n * classes); i++)
			run_one(&chunk, first * classes + i, partial);
	if (!plan->wanted[OUTPUT_ACCURACY] && !plan->wanted[OUTPUT_ECE])
		return;
	for (size_t i = first; i < first + n; i++)
		if (!is_left_out(plan, i))
			predict(plan, i, loss, partial);
}
