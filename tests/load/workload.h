/*
 * What is sent, and what must come back: bodies made of the table of losses, each with the losses
 * that libloss gives for it here, or files, whose first reply is what all later ones must be.
 */
#ifndef LOAD_WORKLOAD_H
#define LOAD_WORKLOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "options.h"

struct body {
	const char *type; /* media type */
	char *bytes;
	size_t n;
	/* What its reply must hold, in order; of a file once `known`. */
	atomic_bool known;
	size_t n_losses;
	double *losses;
};

struct workload {
	struct body *bodies;
	size_t n;
	bool wide; /* losses are float64, else float32 */
	pthread_mutex_t learning;
};

/* Fills it as the options say; false, and said to stderr, where it can not. To be dropped all the
 * same. */
bool workload_make(struct workload *workload, const struct options *options);
void workload_drop(struct workload *workload);
/* Writes the bodies, "0001.json" and so on, into that folder, and prints their paths. */
bool workload_write(const struct workload *workload, const struct options *options);

/* Whether a reply of status 200 holds the losses that it must, bit for bit. Any thread. */
bool workload_check(struct workload *workload, struct body *body, const char *reply);

/* Bytes that grow; false where there is no memory, once and for all. */
struct text {
	char *bytes;
	size_t n, room;
	bool failed;
};
void text_put(struct text *text, const void *bytes, size_t n);
__attribute__((format(printf, 2, 3))) void text_print(struct text *text, const char *format, ...);

/* The next problem of the options as a body, or a line, at the end of text; and what it comes to.
 * Said to stderr where that fails. */
struct random;
bool problem_make(const struct options *options, struct random *random, struct text *text,
		  double *loss);

#endif
