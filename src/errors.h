/*
 * Several errors of one stage, which do not depend on each other: the first goes where the caller
 * reads it, the others after it (loss_error.more), in the arena. A check is asked as ever, with a
 * place for its error: errors_note(&errors, check(..., errors_place(&errors))).
 */
#ifndef LOSS_ERRORS_H
#define LOSS_ERRORS_H

#include "status.h"

struct loss_arena;

struct errors {
	struct loss_error *first; /* NULL: nobody reads them */
	struct loss_arena *arena;
	loss_status status; /* of the first; LOSS_OK: there is none */
	size_t n;
	const struct loss_error **end; /* where the next one is linked to */
	struct loss_error *spare;      /* a place that was not needed; NULL: none */
};

static inline struct errors errors_into(struct loss_error *err, struct loss_arena *arena)
{
	return (struct errors){.first = err, .arena = arena};
}

/* Where the next check is to write; NULL where nobody would read it. */
struct loss_error *errors_place(struct errors *errors);
/* What that check returned. */
void errors_note(struct errors *errors, loss_status status);

#endif
