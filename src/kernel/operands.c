#include "operands.h"

#include <assert.h>
#include <string.h>

#include "tiles.h"

/* Whether b is made as it is used, of numbers: unless classes have weights, or the tensor holds
 * more than a number does. */
static bool is_of_numbers(const struct rows *rows, const struct operand *operand)
{
	return operand->tensor && !operand->weight &&
	       (operand->tensor->dtype == LOSS_F64) == rows_are_wide(rows);
}

/* The chunk's b is made of these. */
static void set_numbers(const struct operand *operand, struct class_chunk *chunk, struct vectors t)
{
	chunk->t = t;
	chunk->scale = operand->scale;
	chunk->shift = operand->shift;
}

/* ---------------------------------------------------------------- in double */

/* b = (t scale + shift) weight of n classes, or of a class of all lanes. */
static void finish(const struct rows *rows, const struct operand *operand, double *b,
		   const double *weight, size_t n)
{
	rows->plan->kernels->scale(b, operand->scale, operand->shift, weight, n);
}

static void widen(const struct rows *rows, const struct loss_tensor *tensor, size_t i, double *to,
		  size_t n)
{
	rows->plan->kernels->widen(tensor->dtype, tensor_at(tensor, i), to, n);
}

/* n contiguous classes of a lane, from c on. */
static void make_row(const struct rows *rows, const struct operand *operand, size_t lane, size_t c,
		     size_t n, double *b)
{
	double weight[ROW_CLASSES];
	if (operand->tensor)
		widen(rows, operand->tensor, rows_base(rows, lane) + c + operand->ahead, b, n);
	else
		memset(b, 0, n * sizeof *b);
	if (operand->weight)
		widen(rows, operand->weight, c, weight, n);
	finish(rows, operand, b, operand->weight ? weight : NULL, n);
}

/* Classes [c, c + n) of the operand's tensor, class by class. */
static void gather(const struct rows *rows, const struct operand *operand, size_t c, size_t n,
		   double *b)
{
	assert(operand->ahead == 0 || rows->plan->inner == 1);
	const struct loss_tensor *tensor = operand->tensor;
	size_t step = rows->plan->inner, ahead = operand->ahead;
	if (rows->neighbours) {
		for (size_t k = 0; k < n; k++)
			widen(rows, tensor, rows->base + (c + k) * step, b + k * LANES, LANES);
		return;
	}
	size_t places[LANES];
	rows_places(rows, c, places);
	for (size_t lane = 0; lane < LANES; lane++)
		if (places[lane] + ahead + (n - 1) * step < tensor->count)
			places[lane] += ahead; /* the last row of all has none there */
	elements_gather(tensor, places, step, n, rows->flat);
	rows->plan->kernels->widen(tensor->dtype, rows->flat, b, n * LANES);
}

/* Classes [c, c + n) of all lanes, class by class. */
static void make_lanes(const struct rows *rows, const struct operand *operand, size_t c, size_t n,
		       double *b)
{
	if (operand->tensor)
		gather(rows, operand, c, n, b);
	else
		memset(b, 0, n * LANES * sizeof *b);
	finish(rows, operand, b, NULL, n * LANES);
	for (size_t k = 0; operand->weight && k < n; k++) {
		double weight = tensor_number(operand->weight, c + k);
		for (size_t lane = 0; lane < LANES; lane++)
			b[k * LANES + lane] *= weight;
	}
}

/* ---------------------------------------------------------------- in any layout */

void operand_of_tile(const struct rows *rows, const struct operand *operand,
		     struct class_chunk *chunk)
{
	const struct room *room = rows->room;
	double *b = (double *)(void *)room->b;
	if (!operand)
		return;
	if (!is_of_numbers(rows, operand)) {
		make_lanes(rows, operand, 0, rows->plan->classes, b);
		chunk->b = b;
	} else if (tile_lies_in(rows, operand->tensor)) {
		set_numbers(operand, chunk, tile_in(rows, operand->tensor));
	} else {
		tile_load_beside(rows, operand->tensor, operand->ahead, room->b);
		set_numbers(operand, chunk, rows_numbers(rows, room->b));
	}
}

void operand_of_row(const struct rows *rows, const struct operand *operand, size_t lane, size_t c,
		    size_t n, double *room, struct class_chunk *chunk)
{
	if (!operand)
		return;
	if (!is_of_numbers(rows, operand) || n % LANES != 0) {
		make_row(rows, operand, lane, c, n, room);
		chunk->b = room;
		return;
	}
	size_t at = rows_base(rows, lane) + c + operand->ahead;
	set_numbers(operand, chunk, row_load_beside(rows, operand->tensor, at, n, room));
}

/* Where they do not fill the last vector, some of its lanes must have no b: then it is doubles. */
static bool are_numbers_apart(const struct rows *rows, const struct operand *operand, size_t n)
{
	return is_of_numbers(rows, operand) && n % LANES == 0;
}

void operand_load_apart(const struct rows *rows, const struct operand *operand, size_t c, size_t n)
{
	const struct room *room = rows->room;
	if (!operand)
		return;
	if (are_numbers_apart(rows, operand, n)) {
		apart_load_beside(rows, operand->tensor, c, n, room->b);
		return;
	}
	double *classes = (double *)(void *)room->classes;
	make_lanes(rows, operand, c, n, classes);
	rows->plan->kernels->doubles->from_lanes(classes, room->b, APART_CLASSES, n);
}

void operand_apart(const struct rows *rows, const struct operand *operand, size_t lane, size_t n,
		   struct class_chunk *chunk)
{
	double *b = (double *)(void *)rows->room->b;
	size_t row_bytes = APART_CLASSES * rows->numbers->size;
	if (!operand)
		return;
	if (are_numbers_apart(rows, operand, n))
		set_numbers(operand, chunk, rows_numbers(rows, (char *)b + lane * row_bytes));
	else
		chunk->b = b + lane * APART_CLASSES;
}
