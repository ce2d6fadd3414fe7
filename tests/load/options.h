/* The command line of lossd-load. */
#ifndef LOAD_OPTIONS_H
#define LOAD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loss.h"

enum format { FORMAT_JSON, FORMAT_SAFETENSORS, FORMAT_JSONL, N_FORMATS };
extern const char *const format_names[N_FORMATS];
extern const char *const format_types[N_FORMATS]; /* media types */

#define MAX_THREADS 64
#define MAX_CONNECTIONS 10000
#define MAX_REPLAYED 64
#define MAX_WITH 8

struct options {
	/* where to */
	const char *url, *unix_path, *key, *ca;
	bool insecure;
	/* what */
	const struct loss_info *loss;
	size_t shape[LOSS_MAX_RANK];
	int rank;
	loss_dtype dtype;
	enum format format;
	size_t lines;      /* of a body of jsonl */
	size_t bodies;     /* different ones, in turn */
	const char *query; /* without '?'; NULL: none */
	const char *files[MAX_REPLAYED];
	size_t n_files; /* over 0: these are sent instead */
	size_t seed;
	const char *with[MAX_WITH]; /* optional tensors that are sent too */
	size_t n_with;
	bool check;
	/* how */
	size_t connections, threads;
	double rate; /* requests a second; 0: each connection asks again when it is answered */
	bool poisson;
	uint64_t duration_ns, warmup_ns, timeout_ns;
	bool find_max;
	uint64_t p99_ns;
	const char *write_to; /* a folder for the bodies: nothing is sent; NULL */
	bool json;
};

/* Fills options; false where the program is to end, with *status: help has been printed, or what is
 * wrong with the command line. */
bool options_read(struct options *options, int argc, char **argv, int *status);

#endif
