/*
 * A row of a teacher that lists some classes: their probabilities, and what is left of 1. The
 * places of a row are in the order of their classes, those that are empty after them.
 */
#ifndef LOSS_KERNEL_LISTED_H
#define LOSS_KERNEL_LISTED_H

#include "../../plan.h"
#include "../elementary.h"

#define LISTED_CLASSES LOSS_ROLE_OWN_2
#define LISTED_LOG_PROBS LOSS_ROLE_OWN_3

struct listed {
	const struct loss_tensor *classes, *log_probs;
	const uint32_t *places; /* plan->listed, of the row */
	size_t first, n;        /* element of the row's place 0; places that are not empty */
	struct sum all;         /* the sum of the probabilities, P */
	double largest;         /* of the log-probabilities; NaN where there is one */
	double rest;            /* 1 - P */
};

/* Fills everything from the row's places, which are in order. */
void listed_read(struct listed *listed, const struct loss_plan *plan, size_t r);

/* The k-th of them, in the order of the classes. */
static inline size_t listed_class(const struct listed *listed, size_t k)
{
	size_t i = listed->first + listed->places[k];
	return (size_t)tensor_class_index(listed->classes, i).value;
}

static inline double listed_log_prob(const struct listed *listed, size_t k)
{
	return tensor_number(listed->log_probs, listed->first + listed->places[k]);
}

/* Whether the classes that are not listed have something, and are one class more. */
static inline bool listed_has_rest(const struct listed *listed, size_t classes)
{
	return listed->n < classes && !(listed->rest <= 0.0);
}

#endif
