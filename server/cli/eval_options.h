/* The command line of `lossd eval`. */
#ifndef LOSSD_EVAL_OPTIONS_H
#define LOSSD_EVAL_OPTIONS_H

#include "bound.h"
#include "eval/protocols.h"

/* How a file is gone through. */
enum eval_way {
	EVAL_STREAM,  /* it is one problem, in pieces */
	EVAL_LINES,   /* every line is one */
	EVAL_ARCHIVE, /* it is one problem, which must be there as a whole */
};

struct eval_format {
	const char *name; /* "jsonl" */
	const char *base; /* the format of what it consists of, as first bytes tell it: "json" */
	enum eval_way way;
	const struct protocol *protocol;
	size_t media; /* of its requests */
};

/* --logits a.npy */
struct eval_tensor {
	size_t i; /* among the loss's tensors */
	const char *path;
};

/* Losses that compare what two files have under one name: the tensors that it is of each. */
struct eval_pair {
	const char *loss, *first, *second;
	const char *const *instead; /* that may stand in the first file instead; NULL-terminated */
};

struct eval_options {
	const char **paths; /* "-": standard input */
	size_t n_paths;
	struct eval_tensor tensors[LOSS_N_ROLES]; /* in place of paths */
	size_t n_tensors;
	const struct loss_info *loss;
	const struct eval_format *format; /* NULL: what the files themselves say */
	const char *isa;                  /* as loss_problem_set_isa takes it */
	int threads;
	const struct eval_pair *pair; /* of the loss; NULL: it is none of those */
	const char *tensor;           /* the name that both files have; NULL: the second's */
	struct bound bound;           /* on the loss */
	struct loss_buffer *query;    /* arguments and outputs, as a query string has them */
};

enum eval_action { EVAL_RUN, EVAL_EXIT_0, EVAL_EXIT_2 };

/* Reads argv[1] and on; what is asked for by --help, or wrong, has been said. */
enum eval_action eval_options_read(struct eval_options *options, struct loss_arena *arena, int argc,
				   char **argv);

/* The format of that name, or NULL; n characters. */
const struct eval_format *eval_format_find(const char *name, size_t n);

#endif
