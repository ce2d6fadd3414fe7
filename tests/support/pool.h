/*
 * Rows of one loss over classes, each with a target and an upstream gradient of its own, to be
 * evaluated in any company: a pool has the rows, an arrangement says which of them stand where, in
 * what shape, in memory how aligned, and what evaluates them.
 */
#ifndef TESTS_SUPPORT_POOL_H
#define TESTS_SUPPORT_POOL_H

#include "eval.h"
#include "random.h"

enum pool_targets { POOL_NO_TARGETS, POOL_INDICES, POOL_PROBABILITIES };
enum pool_weight { POOL_NO_WEIGHT, POOL_WEIGHT, POOL_SIGNED_WEIGHT };

/* What all rows of a pool are evaluated with; 0 is absent. */
struct pool_kind {
	const char *name, *loss;
	enum pool_targets targets;
	enum pool_weight weight;
	bool upstream;
	bool class_0_is_ignored; /* ignore_index */
	double smoothing, z_loss, softcap, temperature;
	const char *objective; /* of policy_gradient, whose rows then have what it needs */
	double kl_weight;
};

struct pool {
	struct loss_arena *arena;
	const struct pool_kind *kind;
	const struct loss_info *loss;
	size_t classes, rows, regular; /* the first of the rows are no trouble to anybody */
	bool wide;                     /* grad_dtype=F32 */
	const char **distributions;    /* of each row */
	/* In canonical order: (rows, classes), (rows) or (classes). Those absent have no data. */
	struct loss_tensor logits, targets, upstream, weight;
	struct loss_tensor sampled, advantages, reference;
};

struct pool_layout {
	const char *name;
	bool unbatched, last, shift; /* shift: inner[0] is the length of a sequence */
	int n_inner;
	size_t inner[2];
};
extern const struct pool_layout pool_layouts[];
extern const size_t pool_n_layouts;

/* Rows of a layout that one step along its first axis has. */
size_t pool_layout_inner(const struct pool_layout *layout);

struct arrangement {
	const struct pool_layout *layout;
	const size_t *order; /* the row at each position */
	size_t n;            /* positions: a multiple of pool_layout_inner */
	size_t offset;       /* elements between an aligned address and each tensor */
	int threads;
	bool streamed;
	bool exact;                  /* totals="exact" */
	const char *isa, *reduction; /* no upstream gradients but with none */
	const char *const *outputs;
};

/* Sizes: rows that are regular, rows that are not, classes. */
struct pool pool_make(struct random *random, const struct pool_kind *kind, loss_dtype dtype,
		      const size_t sizes[3]);
void pool_free(struct pool *pool);

/* Whether the row's target is ignored: a quarter of them. */
bool pool_ignores(const struct pool *pool, size_t row);

/* Whether an arrangement of this layout can be streamed, if no output has classes. */
bool pool_streams(const struct pool *pool, const struct pool_layout *layout);

/* The position is the last of a sequence of a layout that shifts: its row has no target. */
bool pool_is_last(const struct pool_layout *layout, size_t position);

/* Starts and runs an evaluation; the caller ends it. */
void pool_evaluate(const struct pool *pool, const struct arrangement *arrangement,
		   struct eval *eval);

/* The row at a position of an output with classes, class by class. */
void pool_read_row(const struct pool *pool, const struct arrangement *arrangement,
		   const struct loss_tensor *output, size_t position, void *row);

#endif
