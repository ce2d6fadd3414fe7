/*
 * How rows of classes are read: one way for every loss. rows_read walks the rows sixteen at a time,
 * makes their sums by the vector kernels as the plan's layout says, and hands them to the loss,
 * which says what follows from them (operate.h) and knows nothing of how they were made.
 *
 * With m the maximum and R = sum over c != argmax of exp(x_c - m), log-sum-exp is m + log1p(R), so
 * that -log p_c = (m - x_c) + log1p(R) is a sum of two parts that are never negative: nothing
 * cancels, and confident rows (R far below 1) keep all their digits.
 *
 * What is computed of a row depends on its classes, the types and the arguments alone: in any
 * batch, at any offset and in any layout of the same logits it is the same bits.
 */
#ifndef LOSS_KERNEL_ROWS_H
#define LOSS_KERNEL_ROWS_H

#include "../plan.h"
#include "../reduce.h"

/* Numbers of a tile: few classes of sixteen rows, or the next ones of rows that have many. */
#define TILE_NUMBERS ((size_t)FEW_CLASSES * LANES)

/* Memory for so many numbers of either kind. */
#define NUMBERS_OF(name, n) _Alignas(64) unsigned char name[(n) * sizeof(double)]

/* What operations put in between: numbers of a tile each, or doubles beside floats. */
struct room {
	unsigned char *x, *out, *slopes, *classes, *b;
};

/* A room in memory for ROOM_TILES times so many numbers. */
#define ROOM_TILES 5
static inline struct room room_in(unsigned char *memory, size_t numbers)
{
	size_t bytes = numbers * sizeof(double);
	return (struct room){memory, memory + bytes, memory + 2 * bytes, memory + 3 * bytes,
			     memory + 4 * bytes};
}

/* Up to sixteen rows, one a lane. */
struct rows {
	const struct loss_plan *plan;
	const struct number_kernels *numbers;
	size_t first, n;   /* the row of lane 0; rows, 1 to LANES. Lanes after them repeat the last
			      one's place, and hold nothing of meaning. */
	size_t base, step; /* index of class 0 of lane 0 in the input; to that of the next lane */
	bool scattered;    /* they are no step apart: see rows_base */
	bool neighbours;   /* sixteen elements can be read from base on, for every class */
	void *tile;        /* numbers of all classes of all lanes, class by class, where classes
			      are few */
	bool tiled;        /* it has been filled */
	void *flat;        /* as much memory, which nobody holds on to */
	const struct room *room; /* not for losses that only read: rows_read */
	struct row_sums *sums;
	struct row_targets targets; /* set for class indices only */
};

/* What a loss does with rows whose sums are made. */
typedef void rows_fn(struct rows *rows, void *context);

/* Rows [first, first + n) of the plan, in order; and the same for a loss that operates on them
 * (operate.h). */
void rows_read(const struct loss_plan *plan, size_t first, size_t n, rows_fn *follow,
	       void *context);
void rows_read_to_operate(const struct loss_plan *plan, size_t first, size_t n, rows_fn *follow,
			  void *context);

/* The transformed logits of a class of each lane, as the kernels hold them; and the slopes of the
 * transform there, where that is not NULL and a softcap makes them differ. */
void rows_logits(const struct rows *rows, const size_t *classes, union numbers *logits,
		 union numbers *slopes);

/* Index of class 0 of a lane in the input. */
static inline size_t rows_base(const struct rows *rows, size_t lane)
{
	size_t i = lane < rows->n ? lane : rows->n - 1;
	return rows->scattered ? plan_row_base(rows->plan, rows->first + i)
			       : rows->base + i * rows->step;
}

static inline bool rows_are_wide(const struct rows *rows)
{
	return rows->numbers->size == sizeof(double);
}

static inline loss_dtype rows_dtype(const struct rows *rows)
{
	return rows_are_wide(rows) ? LOSS_F64 : LOSS_F32;
}

/* Numbers without gaps. */
static inline struct vectors rows_numbers(const struct rows *rows, const void *numbers)
{
	return (struct vectors){numbers, rows_dtype(rows), LANES};
}

/* A lane's log-sum-exp: the sum may cancel. */
static inline struct sum rows_lse(const struct rows *rows, size_t lane)
{
	struct sum lse;
	lse.high = two_sum(rows->sums->max[lane], rows->sums->log1p_residual[lane], &lse.low);
	return lse;
}

/* w_y of a lane of class indices that counts. */
static inline double rows_weight(const struct rows *rows, size_t lane)
{
	return rows->targets.weight ? rows->targets.weight[lane] : 1.0;
}

/* Bit l: whether lane l has a row, and it is regular. */
static inline unsigned rows_regular(const struct rows *rows)
{
	return rows->sums->regular & ((1u << rows->n) - 1);
}

/* The rows that the vector kernels leave: a bit a lane. */
static inline unsigned rows_irregular(const struct rows *rows)
{
	return ~rows->sums->regular & ((1u << rows->n) - 1);
}

static inline void lane_sums_set(struct lane_sums *sums, size_t lane, struct sum value)
{
	sums->high[lane] = value.high;
	sums->low[lane] = value.low;
}

/* Adds to all lanes, to twice the precision but for what cancels. */
static inline void lane_sums_plus(struct lane_sums *sums, const struct lane_sums *others)
{
	for (size_t lane = 0; lane < LANES; lane++) {
		double error;
		sums->high[lane] = two_sum(sums->high[lane], others->high[lane], &error);
		sums->low[lane] = error + (sums->low[lane] + others->low[lane]);
	}
}

/* Adds to the sum of one lane. */
static inline void lane_sums_add(struct lane_sums *sums, size_t lane, double value)
{
	double error;
	sums->high[lane] = two_sum(sums->high[lane], value, &error);
	sums->low[lane] += error;
}

/* Losses of class indices that count, times what the rows weigh themselves, where they do. */
void rows_weigh(const struct rows *rows, double *loss);

/* Writes down what the lanes' losses are, with what the rows weigh themselves in them. */
static inline void rows_keep_losses(const struct rows *rows, const double *loss)
{
	if (rows->plan->keeps_rows)
		plan_keep_losses(rows->plan, rows->first, rows->n, loss);
}

/* Adds up the first n lanes, the others being 0, by halves: a tree waits less than a chain. */
static inline void lane_sums_merge(const struct lane_sums *sums, size_t n, struct sum *total)
{
	struct lane_sums tree = *sums;
	for (size_t half = LANES / 2; half > 0; half /= 2)
		for (size_t lane = 0; half < n && lane < half; lane++) {
			double error;
			tree.high[lane] = two_sum(tree.high[lane], tree.high[lane + half], &error);
			tree.low[lane] += tree.low[lane + half] + error;
		}
	sum_merge(total, &(struct sum){tree.high[0], tree.low[0]});
}

#endif
