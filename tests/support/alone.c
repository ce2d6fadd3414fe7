#include "alone.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "bits.h"
#include "exact_sum.h"
#include "ulp.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---------------------------------------------------------------- outputs */

enum { OF_CLASSES = 1, OF_INDICES = 2, REDUCED = 4, UNKNOWN = 8 };

static const struct {
	const char *name;
	unsigned is;
} known_outputs[ALONE_OUTPUTS] = {
	{"loss", REDUCED},       {"z_loss", REDUCED},
	{"grad", OF_CLASSES},    {"log_probs", OF_CLASSES},
	{"probs", OF_CLASSES},   {"lse", 0},
	{"entropy", 0},          {"predicted", 0},
	{"correct", OF_INDICES}, {"rank", OF_INDICES},
	{"log_prob", 0},         {"ratio", 0},
};

static unsigned output_is(const char *name)
{
	for (size_t i = 0; i < COUNT(known_outputs); i++)
		if (strcmp(known_outputs[i].name, name) == 0)
			return known_outputs[i].is;
	return UNKNOWN; /* of the whole batch */
}

static bool is_asked(const struct pool *pool, enum asked asked, size_t i)
{
	const char *name = pool->loss->outputs[i]->name;
	unsigned is = output_is(name);
	bool is_grad = strcmp(name, "grad") == 0;
	bool has_grad = pool->kind->targets != POOL_NO_TARGETS || pool->kind->upstream;
	if (is == UNKNOWN || (is == OF_INDICES && pool->kind->targets != POOL_INDICES) ||
	    (is_grad && !has_grad))
		return false;
	return i == 0 || asked == ASKED_ALL || (asked == ASKED_GRAD && is_grad) ||
	       (asked == ASKED_ROWS && is != OF_CLASSES);
}

size_t alone_outputs(const struct pool *pool, enum asked asked, const char **names)
{
	size_t n = 0;
	for (size_t i = 0; i < pool->loss->n_outputs; i++)
		if (is_asked(pool, asked, i))
			names[n++] = pool->loss->outputs[i]->name;
	names[n] = NULL;
	return n;
}

/* ---------------------------------------------------------------- rows alone */

static void *allocate(const struct pool *pool, size_t n, size_t size)
{
	void *memory = loss_arena_alloc(pool->arena, n, size);
	require(memory != NULL, "no memory for %zu items of %zu bytes", n, size);
	return memory;
}

static void keep_row(struct alone *alone, size_t row, const struct eval *eval)
{
	for (size_t i = 0; i < alone->n_outputs; i++) {
		const struct loss_tensor *from = &eval->result.outputs[i].tensor;
		struct loss_tensor *to = &alone->outputs[i];
		size_t size = from->count * loss_dtype_info(from->dtype)->size;
		if (row == 0) {
			*to = *from;
			to->data = allocate(alone->pool, alone->pool->rows, size);
		}
		memcpy((unsigned char *)to->data + row * size, from->data, size);
	}
	alone->loss_sum[row] = eval->result.totals.loss_sum;
	alone->denominator[row] = eval->result.totals.denominator;
}

struct alone alone_evaluate(const struct pool *pool, const char *isa)
{
	struct alone alone = {.pool = pool,
			      .loss_sum = allocate(pool, pool->rows, sizeof(double)),
			      .denominator = allocate(pool, pool->rows, sizeof(double))};
	alone.n_outputs = alone_outputs(pool, ASKED_ALL, alone.names);
	for (size_t row = 0; row < pool->rows; row++) {
		struct eval eval;
		pool_evaluate(pool,
			      &(struct arrangement){.layout = &pool_layouts[0],
						    .order = &row,
						    .n = 1,
						    .threads = 1,
						    .isa = isa,
						    .reduction = "none",
						    .outputs = alone.names},
			      &eval);
		keep_row(&alone, row, &eval);
		eval_end(&eval);
	}
	return alone;
}

/* ---------------------------------------------------------------- telling */

/* A kind and where it differed: a layout, or an output. */
struct place {
	const struct pool_kind *kind;
	const char *where;
	size_t differences;
};

#define MAX_PLACES 1024
static struct {
	struct place places[MAX_PLACES];
	size_t n, compared, different;
} found;

/* Whether it is the first there. */
static bool note(const struct pool_kind *kind, const char *where)
{
	size_t i = 0;
	while (i < found.n &&
	       (found.places[i].kind != kind || strcmp(found.places[i].where, where) != 0))
		i++;
	if (i == MAX_PLACES)
		return false;
	if (i == found.n)
		found.places[found.n++] = (struct place){.kind = kind, .where = where};
	return found.places[i].differences++ == 0;
}

struct difference {
	const char *what;      /* "grad" */
	bool of_row;           /* else a sum */
	size_t position, item; /* item: a class, where there are many */
	double got, expected;
};

static void tell(const struct alone *alone, const struct arrangement *a, const char *how,
		 const struct difference *difference)
{
	const struct pool *pool = alone->pool;
	bool is_new = note(pool->kind, a->layout->name);
	is_new = note(pool->kind, difference->what) || is_new;
	found.different++;
	if (!is_new)
		return;
	print_message("%s (%s) %s%s, %zu classes, %s, %zu rows, %s, offset %zu, %d threads%s, %s, "
		      "reduction %s, LOSSD_SEED=%llu\n",
		      pool->loss->name, pool->kind->name, loss_dtype_info(pool->logits.dtype)->name,
		      pool->wide ? " to F32" : "", pool->classes, a->layout->name, a->n, how,
		      a->offset, a->threads, a->streamed ? ", streamed" : "", a->isa, a->reduction,
		      (unsigned long long)random_seed());
	if (difference->of_row)
		print_message("    row %zu (%s), class %zu: ", difference->position,
			      pool->distributions[a->order[difference->position]],
			      difference->item);
	else
		print_message("    ");
	print_message("%s is %a (%016llx), but %s %a (%016llx)\n", difference->what,
		      difference->got, (unsigned long long)bits_of(difference->got),
		      difference->of_row ? "alone" : "exactly", difference->expected,
		      (unsigned long long)bits_of(difference->expected));
}

size_t alone_compared(void)
{
	return found.compared;
}

void alone_report(void)
{
	size_t different = found.different, compared = found.compared;
	for (size_t i = 0; i < found.n; i++)
		print_message("different: %s (%s), %s: %zu times\n", found.places[i].kind->loss,
			      found.places[i].kind->name, found.places[i].where,
			      found.places[i].differences);
	memset(&found, 0, sizeof found);
	require(different == 0, "%zu of %zu results depend on the batch", different, compared);
}

/* ---------------------------------------------------------------- comparing */

static double number_at(const struct loss_tensor *tensor, size_t i)
{
	bool is_float = loss_dtype_info(tensor->dtype)->dtype_class == LOSS_CLASS_FLOAT;
	return is_float ? eval_value(tensor, i) : (double)eval_index(tensor, i);
}

static bool same(double a, double b)
{
	return bits_of(a) == bits_of(b) || (isnan(a) && isnan(b));
}

/* Where two tensors differ; their count where they do not. */
static size_t first_difference(const struct loss_tensor *a, const struct loss_tensor *b)
{
	size_t i = 0;
	if (a->dtype == b->dtype &&
	    memcmp(a->data, b->data, a->count * loss_dtype_info(a->dtype)->size) == 0)
		return a->count;
	while (i < a->count && same(number_at(a, i), number_at(b, i)))
		i++;
	return i;
}

struct comparison {
	const struct alone *alone;
	const struct arrangement *arrangement;
	const char *how;
	unsigned char *room; /* for a row */
};

/* All rows of an output. */
static void compare_output(const struct comparison *comparison, const struct loss_output *output,
			   const struct loss_tensor *expected)
{
	const struct pool *pool = comparison->alone->pool;
	const struct arrangement *a = comparison->arrangement;
	bool of_classes = output_is(output->name) == OF_CLASSES;
	size_t n = of_classes ? pool->classes : 1, size = loss_dtype_info(expected->dtype)->size;
	struct loss_tensor got = {.dtype = output->tensor.dtype, .count = n};
	struct loss_tensor alone = {.dtype = expected->dtype, .count = n};
	require(output->tensor.count == a->n * n, "%s has %zu values", output->name,
		output->tensor.count);
	for (size_t p = 0; p < a->n; p++) {
		if (pool_is_last(a->layout, p))
			continue;
		alone.data = (unsigned char *)expected->data + a->order[p] * n * size;
		got.data = (unsigned char *)output->tensor.data + p * size;
		if (of_classes) {
			got.data = comparison->room;
			pool_read_row(pool, a, &output->tensor, p, got.data);
		}
		size_t i = first_difference(&got, &alone);
		found.compared++;
		if (i < n)
			tell(comparison->alone, a, comparison->how,
			     &(struct difference){output->name, true, p, i, number_at(&got, i),
						  number_at(&alone, i)});
	}
}

/* A sum is kept to twice a double's precision: where the exact one lies next to the middle of two
 * doubles, either is right. */
static bool is_rounded(double got, double expected, double *terms, size_t n)
{
	if (same(got, expected))
		return true;
	terms[n] = -got;
	double half = 0.5 * (double)ulp_of(LOSS_F64, (long double)expected);
	return fabs(exact_sum(terms, n + 1)) <= half * (1.0 + 0x1p-40);
}

static void compare_sum(const struct comparison *comparison, const char *what, const double *alone,
			double got)
{
	const struct arrangement *a = comparison->arrangement;
	struct loss_arena *arena = loss_arena_create(NULL);
	double *terms = loss_arena_array(arena, double, a->n + 1);
	size_t n = 0;
	require(terms != NULL, "no memory for %zu terms", a->n);
	for (size_t p = 0; p < a->n; p++)
		if (!pool_is_last(a->layout, p))
			terms[n++] = alone[a->order[p]];
	double expected = exact_sum(terms, n);
	found.compared++;
	if (!is_rounded(got, expected, terms, n))
		tell(comparison->alone, a, comparison->how,
		     &(struct difference){what, false, 0, 0, got, expected});
	loss_arena_destroy(arena);
}

void alone_compare(const struct alone *alone, const struct arrangement *arrangement,
		   const struct eval *eval, const char *how)
{
	struct loss_arena *arena = loss_arena_create(NULL);
	struct comparison comparison = {alone, arrangement, how,
					loss_arena_alloc(arena, alone->pool->classes, 8)};
	bool none = strcmp(arrangement->reduction, "none") == 0;
	require(comparison.room != NULL, "no memory for a row");
	for (size_t i = 0; i < eval->result.n_outputs; i++) {
		const struct loss_output *output = &eval->result.outputs[i];
		size_t k = 0;
		while (strcmp(alone->names[k], output->name) != 0)
			k++;
		if (none || output_is(output->name) != REDUCED)
			compare_output(&comparison, output, &alone->outputs[k]);
	}
	if (eval->result.has_totals) {
		compare_sum(&comparison, "loss_sum", alone->loss_sum, eval->result.totals.loss_sum);
		compare_sum(&comparison, "denominator", alone->denominator,
			    eval->result.totals.denominator);
	}
	loss_arena_destroy(arena);
}
