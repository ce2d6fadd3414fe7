/* What is measured, against what, and how much of it is enough: docs/performance.md. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include <stdbool.h>
#include <stddef.h>

enum reference {
	REFERENCE_ROOFLINE,
	REFERENCE_PYTORCH, /* whose C library keeps freed memory */
	REFERENCE_ONEDNN,
	REFERENCE_ONE_THREAD,
	REFERENCE_NO_SUMS,       /* the same call, whose rows are not added up */
	REFERENCE_CROSS_ENTROPY, /* our own, of the same logits and targets */
	REFERENCE_LIBRARY,       /* our own, from C: of the Python package */
	REFERENCE_PLAIN_CALL,    /* our own: sweep.c */
	/* Of JSON, which json.c measures: */
	REFERENCE_SIMDJSON,
	REFERENCE_TENSOR_BYTES,
	REFERENCE_SNPRINTF,
	/* Of a whole server, which wire.c measures: */
	REFERENCE_BARE_RATE, /* requests a second of bare libmicrohttpd */
	REFERENCE_FASTAPI_RATE,
	REFERENCE_REQUEST_RATE, /* our own, one problem a request */
	REFERENCE_DISCARD,
	REFERENCE_DISCARD_TLS,
	REFERENCE_FASTAPI,
	REFERENCE_64_MIB,
	REFERENCE_IN_PROCESS,
	REFERENCE_REPLY,
	REFERENCE_BOTH_WAYS,
	REFERENCE_SAFETENSORS, /* our own, of the same tensors so */
	REFERENCE_QUIET,       /* our own, while no others are there */
	REFERENCE_QUIET_P99,
	REFERENCE_BARE_BESIDE, /* bare libmicrohttpd with the same others */
	REFERENCE_DEADLINE,
	REFERENCE_FRESH_BYTES, /* so many of a connection, */
	REFERENCE_USED_BYTES,
	REFERENCE_IDLE, /* our own, without connections that are idle, */
	REFERENCE_SLOW, /* or slow, */
	REFERENCE_LATE, /* and how late these may be sent away */
};

/* What other clients do at the same time, each again and again. */
struct bench_load {
	const char *name;
	size_t clients, rows, classes;
	bool json; /* the body; else safetensors */
	const char *path, *fields;
};

struct bench_case {
	const char *id;
	enum reference reference;
	const char *dtype; /* a dtype that this build lacks is skipped */
	int rank;
	size_t shape[4]; /* classes on axis 1 */
	bool grad;
	bool teacher; /* divergence from one, whose logits are as many */
	bool json;    /* of a whole server: the request's body; else safetensors */
	bool warm;    /* only the run of a plan, over results already written once */
	bool cached;  /* the same data each call */
	bool python;  /* by the Python package, of arrays of NumPy */
	double bar;   /* of ours over the reference's speed, */
	bool at_most; /* or of ours over the reference itself, which may not be more than that */
	const struct bench_load *load; /* or NULL */
	double as_it_is; /* or 0; the bar beside a PyTorch whose C library gives memory back */
};

extern const struct bench_case bench_cases[];
extern const size_t n_bench_cases;

#endif
