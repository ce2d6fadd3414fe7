/*
 * The elements of one tensor of a JSON body, written as they come. Where the dtype is known they
 * are stored as that. Where it is not (class indices or probabilities? `data` before `dtype`?) they
 * are stored in eight bytes each: as integers up to the first token that is none or does not fit,
 * as doubles from there on; and turned into what they are once that is known, in place.
 */
#ifndef LOSSD_CODEC_JSON_VALUES_H
#define LOSSD_CODEC_JSON_VALUES_H

#include "json_scan.h"

/* The first element of a kind, for what an error says about it. */
struct json_mark {
	bool set;
	size_t index;
	char text[64]; /* the token; the end of a long one is left out */
};

struct json_values {
	struct loss_arena *arena;
	struct loss_buffer *buffer; /* NULL until something is stored */
	size_t count;
	bool open; /* the dtype is not known yet: */
	loss_dtype dtype;

	/* Of open ones. */
	size_t n_integers; /* elements stored as 64-bit integers */
	bool split;        /* all others are stored as doubles */
	bool negative;     /* some integer is below 0: all of n_integers are int64 */
	bool huge;         /* some integer is above INT64_MAX: all of n_integers are uint64 */
	struct json_mark fraction, boolean; /* the first that is not an integer; or a boolean */
	/* Of struct json_mark: all integers that are not stored exactly. NULL: none. */
	struct loss_buffer *inexact;
	/* Of struct loss_beyond, once they are class indices: what fits no integer dtype. NULL:
	 * nothing does. */
	struct loss_buffer *beyond;
};

void json_values_start(struct json_values *values, struct loss_arena *arena);
/* Nothing may be stored yet. Without it the values are open. */
void json_values_set_dtype(struct json_values *values, loss_dtype dtype);

/*
 * Stores a number, a word for a non-finite one, or (BOOL, or open) a boolean. LOSS_WRONG_TYPE: not
 * of a type that the dtype takes; LOSS_DTYPE_MISMATCH: does not fit the dtype; or no memory. err
 * may be filled; only the caller knows the place.
 */
loss_status json_values_put(struct json_values *values, const struct json_token *token,
			    struct loss_error *err);

/*
 * Stores numbers of one row, at most `room`, as owner.numbers of a scan. Returns how many; *p is
 * after what was taken, *taken says what that was. Takes nothing that needs an error.
 */
size_t json_values_run(struct json_values *values, const char **p, const char *limit, size_t room,
		       enum json_taken *taken);

/*
 * Turns open values into dtype. LOSS_WRONG_TYPE or LOSS_DTYPE_MISMATCH: *first is the first element
 * that it can not hold. Never fails for a float dtype unless there is a boolean.
 */
loss_status json_values_resolve(struct json_values *values, loss_dtype dtype,
				struct json_mark *first);

/*
 * Turns open integers into class indices, of the dtype that they become: I64, or U64 where some are
 * above INT64_MAX and none is below 0. `beyond` tells what that dtype does not hold. Only if no
 * fraction is set. False when there is no memory.
 */
bool json_values_resolve_indices(struct json_values *values);

/* What an integer dtype holds, "-128..127". */
void json_values_range(loss_dtype dtype, char *out, size_t size);

/* The text of a mark from a token. */
void json_mark_set(struct json_mark *mark, size_t index, const char *text, size_t size);

#endif
