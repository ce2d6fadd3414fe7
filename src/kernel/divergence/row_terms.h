/*
 * One row of divergence by its terms: those of each class, or of those that a teacher lists and of
 * the rest. What is left where dense.h does not take a row, and all there is for log-probabilities
 * and for listed classes.
 */
#ifndef LOSS_KERNEL_DIVERGENCE_ROW_TERMS_H
#define LOSS_KERNEL_DIVERGENCE_ROW_TERMS_H

#include "../row.h"
#include "dense.h"
#include "listed.h"
#include "terms.h"

/* Some of a side's logarithms: with m the largest, sum of exp(x - m), and its logarithm. */
struct portion {
	double max;
	struct sum total;
	double log;
};

struct divergence {
	const struct loss_plan *plan;
	size_t r;
	struct divergence_form common;
	term_fn *term;
	struct term_form form;

	struct row student, hard, teacher; /* hard: the student at temperature 1, where it is
					      wanted; teacher: where it is of all classes */
	/* By vectors, where the student is regular and the teacher is no row of logits. */
	bool by_vectors, others_by_vectors;
	struct side student_side, hard_side, others_side;
	struct sum between; /* log-sum-exp of the teacher minus that of the student */
	struct listed listed;
	struct portion likely, kept,
		others; /* listed log-probabilities; logits; those not listed */
	bool has_rest;
	bool invalid; /* the row is NaN */
	size_t next;  /* of the listed, as classes are walked in order */

	struct sum loss, slopes; /* sums of the terms */
};

static inline enum tail tail_of(const struct divergence *d)
{
	return (enum tail)d->plan->args.tail;
}

static inline bool is_sparse(const struct divergence *d)
{
	return d->plan->present[LISTED_CLASSES];
}

static inline bool has_logits(const struct divergence *d)
{
	return d->plan->present[LOSS_ROLE_OWN_1];
}

/* Adds up the terms of a row that counts, whose student has been read. */
void row_terms_read(struct divergence *d);

/* Once they have been: the loss, y being the row's target where there is a hard part; and what the
 * teacher has of class c, of a teacher of all classes. */
double row_terms_loss(const struct divergence *d, int64_t y);
double row_terms_teacher_prob(const struct divergence *d, size_t c);

/* Writes the gradient: of such a row, and of one that does not count. */
void row_terms_write_grad(struct divergence *d, int64_t y);
void row_terms_clear_grad(const struct loss_plan *plan, size_t r);

#endif
