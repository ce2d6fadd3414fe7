/*
 * Judging refusals: a problem document must say what api/openapi.yaml promises. Failures are
 * printed; the caller counts them.
 */
#ifndef TESTS_REFUSAL_H
#define TESTS_REFUSAL_H

#include "client.h"

#include "loss.h"

struct refusal {
	loss_status status;
	const char *pointer; /* NULL: there is none */
	const char *words;   /* that the detail must have */
};

/* Compares status, media type and every member of the document; `what` is for messages. Frees the
 * reply. Returns the number of things that are wrong. */
int refusal_check(const char *what, const struct refusal *wanted, struct reply *reply);

/* Every 4xx code is met by the tests of one group. */
enum refusal_group {
	REFUSAL_BODIES,      /* test_bad_bodies.c */
	REFUSAL_HEADS,       /* test_bad_heads.c */
	REFUSAL_CODINGS,     /* test_codings.c */
	REFUSAL_SAFETENSORS, /* test_safetensors.c */
	REFUSAL_FRAMING,     /* the tests of HTTP's own framing */
	REFUSAL_QUEUE,       /* test_queue.c */
	REFUSAL_ORIGINS,     /* test_hosts.c, test_foreign.c */
	REFUSAL_KEYS,        /* test_keys.c */
};

/* Fails the test when refusal_check has not seen every 4xx status of the group. */
void refusal_assert_all_met(enum refusal_group group);

#endif
