#include "pool.h"

#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct pool_layout pool_layouts[] = {
	{.name = "(N, C)"},
	{.name = "(C)", .unbatched = true},
	{.name = "(N, C) class last", .last = true},
	{.name = "(N, C, 1)", .n_inner = 1, .inner = {1}},
	{.name = "(N, C, 2)", .n_inner = 1, .inner = {2}},
	{.name = "(N, C, 3)", .n_inner = 1, .inner = {3}},
	{.name = "(N, C, 5)", .n_inner = 1, .inner = {5}},
	{.name = "(N, C, 16)", .n_inner = 1, .inner = {16}},
	{.name = "(N, C, 17)", .n_inner = 1, .inner = {17}},
	{.name = "(N, C, 49)", .n_inner = 1, .inner = {49}},
	{.name = "(N, C, 1, 3)", .n_inner = 2, .inner = {1, 3}},
	{.name = "(N, C, 7, 7)", .n_inner = 2, .inner = {7, 7}},
	{.name = "(N, 1, C) class last", .last = true, .n_inner = 1, .inner = {1}},
	{.name = "(N, 3, C) class last", .last = true, .n_inner = 1, .inner = {3}},
	{.name = "(N, 17, C) class last", .last = true, .n_inner = 1, .inner = {17}},
	{.name = "(N, 2, 5, C) class last", .last = true, .n_inner = 2, .inner = {2, 5}},
	{.name = "(N, 4, C) shift", .last = true, .shift = true, .n_inner = 1, .inner = {4}},
	{.name = "(N, 17, C) shift", .last = true, .shift = true, .n_inner = 1, .inner = {17}},
};
const size_t pool_n_layouts = COUNT(pool_layouts);

size_t pool_layout_inner(const struct pool_layout *layout)
{
	size_t inner = 1;
	for (int i = 0; i < layout->n_inner; i++)
		inner *= layout->inner[i];
	return inner;
}

bool pool_is_last(const struct pool_layout *layout, size_t position)
{
	return layout->shift && position % layout->inner[0] == layout->inner[0] - 1;
}

bool pool_streams(const struct pool *pool, const struct pool_layout *layout)
{
	bool contiguous = layout->last || pool_layout_inner(layout) == 1;
	return contiguous && pool->kind->targets == POOL_INDICES;
}

/* ---------------------------------------------------------------- arrangements */

struct strided {
	unsigned char *to;
	const unsigned char *from;
	size_t to_stride, from_stride; /* in elements */
};

static inline void copy_each(const struct strided *strided, size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		memcpy(strided->to + i * strided->to_stride * size,
		       strided->from + i * strided->from_stride * size, size);
}

/* A constant size each, for the compiler. */
static void copy(const struct strided *strided, size_t n, size_t size)
{
	if (strided->to_stride == 1 && strided->from_stride == 1)
		memcpy(strided->to, strided->from, n * size);
	else if (size == 1)
		copy_each(strided, n, 1);
	else if (size == 2)
		copy_each(strided, n, 2);
	else if (size == 4)
		copy_each(strided, n, 4);
	else
		copy_each(strided, n, 8);
}

/* Where class 0 of the row at a position stands, and how far apart its classes are. */
static size_t place(const struct pool *pool, const struct pool_layout *layout, size_t position,
		    size_t *stride)
{
	size_t inner = layout->last ? 1 : pool_layout_inner(layout);
	*stride = inner;
	return position / inner * pool->classes * inner + position % inner;
}

static struct loss_tensor shaped(const struct pool *pool, const struct arrangement *arrangement,
				 loss_dtype dtype, bool has_classes)
{
	const struct pool_layout *layout = arrangement->layout;
	struct loss_tensor tensor = {.dtype = dtype};
	if (!layout->unbatched)
		tensor.shape[tensor.rank++] = arrangement->n / pool_layout_inner(layout);
	if (has_classes && !layout->last)
		tensor.shape[tensor.rank++] = pool->classes;
	for (int i = 0; i < layout->n_inner; i++)
		tensor.shape[tensor.rank++] = layout->inner[i];
	if (has_classes && layout->last)
		tensor.shape[tensor.rank++] = pool->classes;
	loss_tensor_set_count(&tensor);
	return tensor;
}

/*
 * What the rows have of a tensor, arranged. Shifted, what belongs to the row at a position stands
 * at the next; where nothing belongs there is what is no class, and NaN in many types.
 */
static struct loss_tensor arrange(struct eval *eval, const struct pool *pool,
				  const struct arrangement *arrangement,
				  const struct loss_tensor *canonical, bool shifted)
{
	bool has_classes = canonical->rank == 2;
	size_t size = loss_dtype_info(canonical->dtype)->size;
	size_t n = has_classes ? pool->classes : 1;
	struct loss_tensor tensor = shaped(pool, arrangement, canonical->dtype, has_classes);
	unsigned char *data = eval_alloc(eval, tensor.count + arrangement->offset, size);
	tensor.data = data + arrangement->offset * size;
	memset(tensor.data, 0x7f, tensor.count * size);
	for (size_t p = 0; p < arrangement->n; p++) {
		size_t stride = 1, at = p + shifted;
		if (shifted && pool_is_last(arrangement->layout, p))
			continue;
		if (has_classes)
			at = place(pool, arrangement->layout, at, &stride);
		copy(&(struct strided){(unsigned char *)tensor.data + at * size,
				       (const unsigned char *)canonical->data +
					       arrangement->order[p] * n * size,
				       stride, 1},
		     n, size);
	}
	return tensor;
}

void pool_read_row(const struct pool *pool, const struct arrangement *arrangement,
		   const struct loss_tensor *output, size_t position, void *row)
{
	size_t stride, size = loss_dtype_info(output->dtype)->size;
	size_t at = place(pool, arrangement->layout, position, &stride);
	copy(&(struct strided){row, (const unsigned char *)output->data + at * size, 1, stride},
	     pool->classes, size);
}

static void set_arguments(struct eval *eval, const struct pool *pool,
			  const struct arrangement *arrangement)
{
	const struct pool_kind *kind = pool->kind;
	const struct {
		const char *name;
		double value;
	} numbers[] = {{"label_smoothing", kind->smoothing},
		       {"z_loss", kind->z_loss},
		       {"softcap", kind->softcap},
		       {"temperature", kind->temperature},
		       {"kl_weight", kind->kl_weight}};
	for (size_t i = 0; i < COUNT(numbers); i++)
		if (numbers[i].value != 0)
			eval_number(eval, numbers[i].name, numbers[i].value);
	if (kind->objective != NULL)
		eval_string(eval, "objective", kind->objective);
	if (kind->class_0_is_ignored)
		eval_integer(eval, "ignore_index", 0);
	if (kind->targets != POOL_NO_TARGETS)
		eval_string(eval, "reduction", arrangement->reduction);
	if (arrangement->exact)
		eval_string(eval, "totals", "exact");
	if (arrangement->layout->last)
		eval_integer(eval, "class_axis", -1);
	if (arrangement->layout->shift)
		eval_boolean(eval, "shift", true);
	if (pool->wide)
		eval_string(eval, "grad_dtype", "F32");
}

static void set_tensors(struct eval *eval, const struct pool *pool,
			const struct arrangement *arrangement)
{
	bool shift = arrangement->layout->shift;
	const struct {
		const char *name;
		const struct loss_tensor *tensor;
	} of_rows[] = {{"targets", &pool->targets},
		       {"sampling_log_probs", &pool->sampled},
		       {"advantages", &pool->advantages},
		       {"reference_log_probs", &pool->reference}};
	eval_set(eval, pool->loss->tensors[0].name,
		 arrange(eval, pool, arrangement, &pool->logits, false));
	for (size_t i = 0; i < COUNT(of_rows); i++)
		if (of_rows[i].tensor->data != NULL)
			eval_set(eval, of_rows[i].name,
				 arrange(eval, pool, arrangement, of_rows[i].tensor, shift));
	if (pool->weight.data != NULL)
		eval_set(eval, "weight", pool->weight);
	if (pool->upstream.data != NULL && strcmp(arrangement->reduction, "none") == 0)
		eval_set(eval, "grad_output",
			 arrange(eval, pool, arrangement, &pool->upstream, false));
}

/* In pieces of one, two, three, ... blocks. */
static void run_streamed(struct eval *eval, const struct pool *pool,
			 const struct arrangement *arrangement)
{
	struct loss_tensor input = arrange(eval, pool, arrangement, &pool->logits, false);
	size_t row_bytes = pool->classes * loss_dtype_info(input.dtype)->size;
	loss_problem_set_data(eval->problem, 0, NULL);
	eval_plan(eval);
	require(eval->plan != NULL, "%s of %s does not stream", pool->loss->name,
		arrangement->layout->name);
	size_t block = loss_plan_block_rows(eval->plan);
	for (size_t row = 0, n, blocks = 1; row < arrangement->n; row += n, blocks++) {
		n = blocks * block < arrangement->n - row ? blocks * block : arrangement->n - row;
		loss_plan_run_rows(eval->plan, row, n,
				   (const unsigned char *)input.data + row * row_bytes);
	}
	loss_plan_finish(eval->plan, &eval->result);
}

void pool_evaluate(const struct pool *pool, const struct arrangement *arrangement,
		   struct eval *eval)
{
	eval_start(eval, pool->loss->name);
	loss_problem_set_isa(eval->problem, arrangement->isa);
	set_tensors(eval, pool, arrangement);
	set_arguments(eval, pool, arrangement);
	eval_outputs(eval, arrangement->outputs);
	if (arrangement->streamed)
		run_streamed(eval, pool, arrangement);
	else
		eval_run(eval, arrangement->threads);
}
