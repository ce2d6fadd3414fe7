#include "tiles.h"

#include <string.h>

static const struct loss_tensor *input_of(const struct rows *rows)
{
	return &rows->plan->tensors[LOSS_ROLE_INPUT];
}

static bool is_number(const struct rows *rows, loss_dtype dtype)
{
	return dtype == (rows_are_wide(rows) ? LOSS_F64 : LOSS_F32);
}

/* What is loaded: a tensor of the input's shape, and what its elements go through. */
struct source {
	const struct loss_tensor *tensor;
	const struct logits_transform *transform; /* NULL: nothing */
	void *slopes;                             /* of the transform go there, or NULL */
	size_t ahead; /* elements by which the tensor's rows are ahead */
};

static struct source input_source(const struct rows *rows, void *slopes)
{
	const struct logits_transform *transform = &rows->plan->transform;
	return (struct source){.tensor = input_of(rows),
			       .transform = transform->on ? transform : NULL,
			       .slopes = slopes};
}

static bool holds_vectors(const struct rows *rows, const struct loss_tensor *tensor)
{
	return vectors_hold(tensor->dtype, rows->numbers->size);
}

bool tile_lies_in(const struct rows *rows, const struct loss_tensor *tensor)
{
	return rows->plan->inner > 1 && rows->neighbours && holds_vectors(rows, tensor);
}

struct vectors tile_in(const struct rows *rows, const struct loss_tensor *tensor)
{
	return (struct vectors){tensor_at(tensor, rows->base), tensor->dtype, rows->plan->inner};
}

/* n elements become numbers: n of them, and so many as whole vectors hold, zeros after the others,
 * in the buffer. */
static void load(const struct rows *rows, const struct source *source, const void *from, size_t n,
		 void *buffer, void *slopes)
{
	const struct number_kernels *numbers = rows->numbers;
	const struct logits_transform *transform = source->transform;
	loss_dtype dtype = source->tensor->dtype;
	size_t whole = n / LANES * LANES, rest = n - whole;
	bool direct = transform && is_number(rows, dtype);
	char *end = (char *)buffer + whole * numbers->size;
	char *end_slopes = slopes ? (char *)slopes + whole * numbers->size : NULL;
	if (!direct)
		numbers->load(dtype, from, buffer, whole);
	if (transform)
		numbers->transform(transform, direct ? from : buffer, buffer, slopes, whole);
	if (rest == 0)
		return;
	memset(end, 0, LANES * numbers->size);
	numbers->load(dtype, (const char *)from + whole * dtype_size(dtype), end, rest);
	if (transform)
		numbers->transform(transform, end, end, end_slopes, LANES);
}

/* ---------------------------------------------------------------- elements one by one */

void rows_places(const struct rows *rows, size_t c, size_t *places)
{
	size_t first = rows->base + c * rows->plan->inner;
	if (rows->n == LANES && !rows->scattered)
		for (size_t lane = 0; lane < LANES; lane++)
			places[lane] = first + lane * rows->step;
	else
		for (size_t lane = 0; lane < LANES; lane++)
			places[lane] = rows_base(rows, lane) + c * rows->plan->inner;
}

#define GATHER(type)                                                                               \
	for (size_t k = 0; k < n; k++)                                                             \
		for (size_t lane = 0; lane < LANES; lane++)                                        \
	((type *)to)[k * LANES + lane] = ((const type *)tensor->data)[places[lane] + k * step]
#define SCATTER(type)                                                                              \
	for (size_t k = 0; k < n; k++)                                                             \
		for (size_t lane = 0; lane < rows->n; lane++)                                      \
	((type *)tensor->data)[places[lane] + k * step] = ((const type *)from)[k * LANES + lane]
/* For elements of any size. */
#define BY_SIZE(of)                                                                                \
	switch (dtype_size(tensor->dtype)) {                                                       \
	case 1:                                                                                    \
		of(uint8_t);                                                                       \
		break;                                                                             \
	case 2:                                                                                    \
		of(uint16_t);                                                                      \
		break;                                                                             \
	case 4:                                                                                    \
		of(uint32_t);                                                                      \
		break;                                                                             \
	default:                                                                                   \
		of(uint64_t);                                                                      \
	}

void elements_gather(const struct loss_tensor *tensor, const size_t *places, size_t step, size_t n,
		     void *to)
{
	BY_SIZE(GATHER)
}

static void elements_scatter(const struct rows *rows, const void *from, size_t c, size_t n,
			     const struct loss_tensor *tensor)
{
	size_t places[LANES], step = rows->plan->inner;
	rows_places(rows, c, places);
	BY_SIZE(SCATTER)
}

/* ---------------------------------------------------------------- rows apart */

/* Of rows that are no neighbours. */
static void load_scattered(const struct rows *rows, const struct loss_tensor *tensor, size_t c,
			   size_t n, void *numbers)
{
	size_t places[LANES];
	rows_places(rows, c, places);
	elements_gather(tensor, places, rows->plan->inner, n, rows->flat);
	rows->numbers->load(tensor->dtype, rows->flat, numbers, n * LANES);
}

static void store_scattered(const struct rows *rows, size_t c, size_t n, const void *numbers,
			    const struct loss_tensor *out)
{
	rows->numbers->store(out->dtype, numbers, rows->flat, n * LANES);
	elements_scatter(rows, rows->flat, c, n, out);
}

/* Classes [c, c + n) of all lanes, class by class. */
static void load_classes(const struct rows *rows, const struct source *source, size_t c, size_t n,
			 void *numbers)
{
	const struct loss_tensor *tensor = source->tensor;
	size_t step = rows->plan->inner;
	const void *from = tensor_at(tensor, rows->base + c * step);
	if (rows->neighbours)
		rows->numbers->load_apart(tensor->dtype, from, step, numbers, n);
	else
		load_scattered(rows, tensor, c, n, numbers);
	if (source->transform)
		rows->numbers->transform(source->transform, numbers, numbers, source->slopes,
					 n * LANES);
}

static void store_classes(const struct rows *rows, size_t c, size_t n, const void *numbers,
			  const struct loss_tensor *out)
{
	const size_t size = rows->numbers->size, step = rows->plan->inner;
	char *to = (char *)out->data + (rows->base + c * step) * dtype_size(out->dtype);
	if (!rows->neighbours)
		store_scattered(rows, c, n, numbers, out);
	else if (rows->n == LANES)
		rows->numbers->store_apart(out->dtype, numbers, to, step, n);
	else
		for (size_t k = 0; k < n; k++, to += step * dtype_size(out->dtype))
			rows->numbers->store(out->dtype, (const char *)numbers + k * LANES * size,
					     to, rows->n);
}

void apart_load(const struct rows *rows, size_t c, size_t n, void *numbers, void *slopes)
{
	struct source source = input_source(rows, slopes);
	load_classes(rows, &source, c, n, rows->tile);
	rows->numbers->from_lanes(rows->tile, numbers, APART_CLASSES, n);
}

void apart_load_beside(const struct rows *rows, const struct loss_tensor *tensor, size_t c,
		       size_t n, void *numbers)
{
	struct source source = {.tensor = tensor};
	load_classes(rows, &source, c, n, rows->room->classes);
	rows->numbers->from_lanes(rows->room->classes, numbers, APART_CLASSES, n);
}

void apart_store(const struct rows *rows, size_t c, size_t n, const void *numbers,
		 const void *slopes, const struct loss_tensor *out)
{
	rows->numbers->to_lanes(numbers, APART_CLASSES, rows->tile, n);
	if (slopes)
		rows->numbers->multiply(rows->tile, slopes, n * LANES);
	store_classes(rows, c, n, rows->tile, out);
}

/* ---------------------------------------------------------------- few classes */

/* Contiguous rows, one after the other, and zeros after the last one, or where the tensor ends. */
static void load_through_buffer(const struct rows *rows, const struct source *source, void *tile)
{
	size_t classes = rows->plan->classes, all = LANES * classes;
	size_t first = rows->base + source->ahead, left = source->tensor->count - first;
	size_t n = rows->n * classes < left ? rows->n * classes : left;
	char *flat = rows->flat;
	void *flat_slopes = source->slopes ? rows->room->classes : NULL;
	size_t whole = (n + LANES - 1) / LANES * LANES, size = rows->numbers->size;
	load(rows, source, tensor_at(source->tensor, first), n, flat, flat_slopes);
	memset(flat + whole * size, 0, (all - whole) * size);
	rows->numbers->to_lanes(flat, classes, tile, classes);
	if (source->slopes)
		rows->numbers->to_lanes(flat_slopes, classes, source->slopes, classes);
}

static void load_tile(const struct rows *rows, const struct source *source, void *tile)
{
	const struct loss_tensor *tensor = source->tensor;
	size_t classes = rows->plan->classes, first = rows->base + source->ahead;
	bool direct = is_number(rows, tensor->dtype) && !source->transform;
	if (rows->plan->inner > 1)
		load_classes(rows, source, 0, classes, tile);
	else if (direct && rows->n == LANES && first + LANES * classes <= tensor->count)
		rows->numbers->to_lanes(tensor_at(tensor, first), classes, tile, classes);
	else
		load_through_buffer(rows, source, tile);
}

void tile_load(struct rows *rows)
{
	struct source source = input_source(rows, NULL);
	if (!rows->tiled)
		load_tile(rows, &source, rows->tile);
	rows->tiled = true;
}

void tile_load_slopes(struct rows *rows, void *slopes)
{
	struct source source = input_source(rows, slopes);
	load_tile(rows, &source, rows->tile);
	rows->tiled = true;
}

void tile_load_beside(const struct rows *rows, const struct loss_tensor *tensor, size_t ahead,
		      void *tile)
{
	struct source source = {.tensor = tensor, .ahead = ahead};
	load_tile(rows, &source, tile);
}

/* Rows are written one beside the other if they are no longer together; else as what they are in
 * all, one piece of memory. */
#define NEAR_BYTES ((size_t)4096)

void tile_store(const struct rows *rows, const void *numbers, const struct loss_tensor *out)
{
	size_t classes = rows->plan->classes;
	if (rows->plan->inner > 1) {
		store_classes(rows, 0, classes, numbers, out);
		return;
	}
	void *to = (char *)out->data + rows->base * dtype_size(out->dtype);
	bool direct = rows->n == LANES && is_number(rows, out->dtype) &&
		      LANES * classes * rows->numbers->size <= NEAR_BYTES;
	rows->numbers->from_lanes(numbers, direct ? to : rows->flat, classes, classes);
	if (!direct)
		rows->numbers->store(out->dtype, rows->flat, to, rows->n * classes);
}

/* ---------------------------------------------------------------- many classes */

struct vectors row_load(const struct rows *rows, size_t lane, size_t c, size_t n, void *buffer,
			void *slopes)
{
	struct source source = input_source(rows, slopes);
	const void *from = tensor_at(source.tensor, rows_base(rows, lane) + c);
	if (n % LANES == 0 && rows->plan->in_place)
		return (struct vectors){from, source.tensor->dtype, LANES};
	load(rows, &source, from, n, buffer, slopes);
	return rows_numbers(rows, buffer);
}

struct vectors row_load_beside(const struct rows *rows, const struct loss_tensor *tensor, size_t at,
			       size_t n, void *buffer)
{
	if (holds_vectors(rows, tensor))
		return (struct vectors){tensor_at(tensor, at), tensor->dtype, LANES};
	rows->numbers->load(tensor->dtype, tensor_at(tensor, at), buffer, n);
	return rows_numbers(rows, buffer);
}
