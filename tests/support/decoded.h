/*
 * What a body decodes to, as text that a test can compare. Every body is decoded in one piece,
 * byte by byte and in random pieces, and all must give the same.
 */
#ifndef TESTS_SUPPORT_DECODED_H
#define TESTS_SUPPORT_DECODED_H

#include <stddef.h>
#include <stdint.h>

#include "loss.h"

struct decoder;
struct decoder_setup;
struct shm;

struct decode_options {
	/* NULL: that of JSON. */
	struct decoder *(*create)(const struct decoder_setup *setup);
	const char *header_length;       /* NULL: none */
	struct shm *shm;                 /* NULL: switched off */
	size_t size;                     /* of a body that is no text; 0: up to its NUL */
	const char *loss;                /* NULL: cross_entropy */
	const char *query;               /* NULL: none */
	uint64_t max_elements, max_rank; /* 0: 2^33, 8 */
	uint64_t max_header_bytes;       /* 0: 65536 */
	size_t budget;                   /* bytes; 0: no limit */
	int plan;                        /* whether a body that decodes is planned, too */
	int run;                         /* and evaluated */
	int all_cuts;                    /* also in two pieces, cut at every byte */
};

struct decoded {
	loss_status status;
	char pointer[256], detail[512]; /* "" where there is none */
	/* "logits F32 (2, 1): 0.5 -1\n" for each tensor that is set, arguments "reduction
	 * \"sum\"\n" as they were written, "outputs a b\n"; an
	 * input whose rows were evaluated as they came has no values any more; of one that is
	 * evaluated, its outputs written like tensors instead. Only if status is LOSS_OK. */
	char *text;
};

struct decoded decode(const struct decode_options *options, const char *body);
void decoded_free(struct decoded *decoded);

/* Sets on a problem, in its arena, what a JSON body has; fails the test unless it decodes. */
void decode_problem(const char *body, struct loss_problem *problem);

/* Fail the test unless the body decodes to the text, or to the error. */
void assert_decodes(const struct decode_options *options, const char *body, const char *text);
void assert_refused(const struct decode_options *options, const char *body, loss_status status,
		    const char *pointer, const char *detail);

/* Lists of them; a loss or a query of NULL is none, and the loss then cross_entropy. */
struct decode_accepted {
	const char *loss, *body, *text;
};
void assert_all_decode(const struct decode_accepted *cases, size_t n);
struct decode_refused {
	const char *loss, *body;
	loss_status status;
	const char *pointer, *detail;
};
void assert_all_refused(const struct decode_refused *cases, size_t n);

#endif
