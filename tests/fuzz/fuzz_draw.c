/* Random batches: sizes around those of vectors, tiles and blocks.
 */
#include "fuzz.h"

#include "../support/rows.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void *fuzz_alloc(struct fuzz_batch *batch, size_t n, size_t size)
{
	void *memory = loss_arena_alloc(batch->arena, n, size);
	if (memory == NULL) {
		fprintf(stderr, "no memory for %zu items of %zu bytes\n", n, size);
		exit(2);
	}
	return memset(memory, 0, n * size);
}

double fuzz_rounded(loss_dtype dtype, double value)
{
	double room;
	loss_float_put(dtype, &room, 0, value);
	return loss_float_get(dtype, &room, 0);
}

bool fuzz_chance(struct fuzz_batch *batch, double probability)
{
	return random_chance(&batch->random, probability);
}

/* ---------------------------------------------------------------- batches */

#define LARGEST 20000 /* elements of most batches */

static size_t any_class_count(struct random *random)
{
	static const size_t counts[] = {1,    2,    3,    4,    5,    7,    8,    9,    10,   15,
					16,   17,   21,   24,   31,   32,   33,   48,   63,   64,
					65,   66,   100,  127,  128,  129,  191,  255,  256,  257,
					300,  500,  511,  512,  513,  1000, 1023, 1024, 1025, 2047,
					2048, 2049, 4095, 4096, 4097, 5000, 9000};
	static const size_t large[] = {32000, 50257, 65535, 65536, 65537, 70000, 128256, 300000};
	if (random_chance(random, 0.001))
		return large[random_below(random, COUNT(large))];
	if (random_chance(random, 0.3))
		return 1 + random_below(random, 70);
	return counts[random_below(random, random_chance(random, 0.2) ? COUNT(counts) : 32)];
}

static void draw_sizes(struct fuzz_batch *batch)
{
	/* One, a few, a vector, one more, an image of 7 x 7. */
	static const size_t inners[] = {1, 2, 3, 5, 16, 17, 49};
	struct random *random = &batch->random;
	batch->layout = (enum fuzz_layout)random_below(random, FUZZ_N_LAYOUTS);
	if (batch->layout == FUZZ_UNBATCHED && random_chance(random, 0.8))
		batch->layout = FUZZ_ROWS;
	if (batch->dump != NULL)
		batch->layout = FUZZ_ROWS; /* PyTorch's own */
	batch->classes = any_class_count(random);
	batch->n = batch->inner = 1;
	if (batch->layout == FUZZ_UNBATCHED)
		return;
	size_t room = batch->classes < LARGEST ? LARGEST / batch->classes : 1;
	size_t most = room < 50 ? room : 50;
	batch->n = 1 + random_below(random, most);
	if (batch->layout == FUZZ_ROWS)
		return;
	most = room / batch->n;
	most = most < 1 ? 1 : most < 40 ? most : 40;
	most = random_chance(random, 0.7) && most > 5 ? 5 : most;
	batch->inner = 1 + random_below(random, most);
	size_t usual = inners[random_below(random, COUNT(inners))];
	if (random_chance(random, 0.3) && usual <= room)
		batch->inner = usual;
	if (batch->n * batch->inner > room)
		batch->n = room > batch->inner ? room / batch->inner : 1;
}

/* Two in five F32, the vector kernels' own type, and at least one in six F64. */
static loss_dtype any_dtype(struct fuzz_batch *batch)
{
	loss_dtype dtype;
	unsigned mask = batch->loss->tensors[0].dtypes;
	double part = random_uniform(&batch->random, 0, 1);
	if (part < 0.57)
		return part < 0.4 ? LOSS_F32 : LOSS_F64;
	do
		dtype = (loss_dtype)random_below(&batch->random, LOSS_N_DTYPES);
	while (!(LOSS_DTYPE_BIT(dtype) & mask & LOSS_FLOAT_DTYPES));
	return dtype;
}

void fuzz_draw_logits(struct fuzz_batch *batch, const char *loss)
{
	struct random *random = &batch->random;
	batch->loss = loss_find(loss, strlen(loss));
	batch->dtype = any_dtype(batch);
	batch->result = batch->dtype == LOSS_F64 ? LOSS_F64 : LOSS_F32;
	draw_sizes(batch);
	size_t classes = batch->classes;
	batch->rows = batch->n * batch->inner;
	batch->x = fuzz_array(batch, double, (batch->rows * classes));
	size_t kind = rows_any(random);
	batch->distribution = rows_name(kind);
	for (size_t r = 0; r < batch->rows; r++) {
		double *x = batch->x + r * classes;
		rows_fill(kind, random, batch->dtype, x, classes);
		for (size_t c = 0; c < classes; c++)
			x[c] = fuzz_rounded(batch->dtype, x[c]);
	}
	batch->tally->rows += batch->rows;
}

double *fuzz_draw_uniform(struct fuzz_batch *batch, size_t n, double low, double high)
{
	double *values = fuzz_array(batch, double, n);
	for (size_t i = 0; i < n; i++) {
		values[i] = random_uniform(&batch->random, low, high);
		if (fuzz_chance(batch, 0.1))
			values[i] = 0;
		if (fuzz_chance(batch, 0.1))
			values[i] = ldexp(values[i], -(int)random_below(&batch->random, 50));
		values[i] = fuzz_rounded(batch->dtype, values[i]);
	}
	return values;
}
