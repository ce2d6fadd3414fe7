/* The argument `non_finite` of every evaluation: how NaN and the infinities are written wherever a
 * reply has JSON. It is none of the mathematics. */
#ifndef LOSSD_CODEC_NON_FINITE_H
#define LOSSD_CODEC_NON_FINITE_H

#include "loss.h"

#define NON_FINITE_NAME "non_finite"

enum non_finite {
	NON_FINITE_STRING, /* "NaN", "Infinity", "-Infinity" */
	NON_FINITE_NULL,   /* null, all of them */
	NON_FINITE_PYTHON, /* NaN, Infinity, -Infinity, without quotes: Python's json, not JSON */
	N_NON_FINITE
};
/* What a request calls them; the first is the default. */
extern const char *const non_finite_names[N_NON_FINITE];

/* All zero: not given. */
struct non_finite_wish {
	bool given;
	enum non_finite style;
};

/* Takes the value that a request gives; NULL means absent. duplicate_field: it has been given
 * already; wrong_type, argument_out_of_range: it is none of the names. */
loss_status non_finite_set(struct non_finite_wish *wish, const struct loss_value *value,
			   struct loss_error *err);
/* Whether this is the argument's name. */
bool non_finite_is_name(const char *name, size_t n);

#endif
