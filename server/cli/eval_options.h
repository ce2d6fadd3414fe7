/* The command line of `lossd eval`. */
#ifndef LOSSD_EVAL_OPTIONS_H
#define LOSSD_EVAL_OPTIONS_H

#include "eval/protocols.h"

struct eval_options {
	const char *path; /* "-": standard input */
	const struct loss_info *loss;
	const struct media_type *media; /* NULL: what the file's name or first bytes say */
	const char *isa;                /* as loss_problem_set_isa takes it */
	int threads;
	struct loss_buffer *query; /* arguments and outputs, as a query string has them */
};

enum eval_action { EVAL_RUN, EVAL_EXIT_0, EVAL_EXIT_2 };

/* Reads argv[1] and on; what is asked for by --help, or wrong, has been said. */
enum eval_action eval_options_read(struct eval_options *options, struct loss_arena *arena, int argc,
				   char **argv);

/* The body format of that name ("json", "safetensors", "oip"), or NULL; n characters. */
const struct media_type *eval_format_find(const char *name, size_t n);

#endif
