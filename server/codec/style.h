/* Arguments of every evaluation that say how its reply is written, and are none of the mathematics.
 * Each is one of a few words. */
#ifndef LOSSD_CODEC_STYLE_H
#define LOSSD_CODEC_STYLE_H

#include "loss.h"

enum style_argument {
	STYLE_NON_FINITE, /* NaN and the infinities, wherever a reply has JSON */
	STYLE_TENSORS,    /* the tensors of a JSON reply of /v1 */
	N_STYLE_ARGUMENTS
};

enum non_finite {
	NON_FINITE_STRING, /* "NaN", "Infinity", "-Infinity" */
	NON_FINITE_NULL,   /* null, all of them */
	NON_FINITE_PYTHON, /* NaN, Infinity, -Infinity, without quotes: Python's json, not JSON */
	N_NON_FINITE
};

enum tensors_as {
	TENSORS_NUMBERS, /* nested arrays */
	TENSORS_BASE64,  /* {"dtype", "shape", "base64"}, but scalars */
};

#define STYLE_WORDS_MAX 3
struct style_info {
	const char *name, *help;
	const char *words[STYLE_WORDS_MAX + 1]; /* ends with a NULL; the first is the default */
};
extern const struct style_info style_arguments[N_STYLE_ARGUMENTS];

/* What a request says of them. All zero: nothing. */
struct style {
	unsigned given;                /* bits */
	int chosen[N_STYLE_ARGUMENTS]; /* which word of each */
};

/* The argument of that name; N_STYLE_ARGUMENTS: none. */
size_t style_find(const char *name, size_t n);
/* Takes the value that a request gives; NULL means absent. duplicate_field: it has been given
 * already; wrong_type, argument_out_of_range: it is none of the words. */
loss_status style_set(struct style *style, size_t argument, const struct loss_value *value,
		      struct loss_error *err);

#endif
