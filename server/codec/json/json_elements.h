/*
 * The elements of a tensor in nested arrays: their values, the shape that the arrays turn out to
 * have, and all that can be wrong with them. A scalar is its one element alone.
 */
#ifndef LOSSD_CODEC_JSON_ELEMENTS_H
#define LOSSD_CODEC_JSON_ELEMENTS_H

#include "codec/decoder.h"
#include "json_fault.h"
#include "json_values.h"

struct json_elements {
	struct json_values values;
	struct json_fault *fault;
	const char *field; /* the tensor's name */
	bool flat;         /* one array, or a number: `data` of a typed tensor */
	bool may_be_empty; /* [] is a shape of (0) */
	/* A dtype and a shape stand beside it: arrays may be empty at any depth, and booleans may
	 * be elements, as in a flat one. */
	bool shaped;
	const char *dtype_name; /* the format's name of the dtype; NULL: the library's */
	uint64_t max_elements;
	const char *limits_owner; /* for sentences: "the server's" */
	int max_rank;

	/* After a fault nothing is stored and no shape is checked, but types still are: they go
	 * before shapes among faults. */
	bool stopped;
	int rank; /* -1 until the first element has been seen */
	int depth;
	size_t skipped; /* open arrays and objects of a value that can not be here */
	unsigned known; /* bit i: shape[i] is known, some array of level i has ended */
	size_t shape[LOSS_MAX_RANK];
	size_t filled[JSON_MAX_DEPTH]; /* entries so far of each open array; last: not cleared */
};

void json_elements_start(struct json_elements *elements, struct loss_arena *arena,
			 const struct decoder_limits *limits);
/* Any token of the value but a null in place of all. */
void json_elements_token(struct json_elements *elements, const struct json_token *token);
/* As owner.numbers of a scan. */
enum json_taken json_elements_numbers(struct json_elements *elements, const char **p,
				      const char *limit);

#endif
