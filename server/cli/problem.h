/* One evaluation of `lossd eval`: from the first byte of its problem to the line with its reply. */
#ifndef LOSSD_CLI_PROBLEM_H
#define LOSSD_CLI_PROBLEM_H

#include "eval/evaluation.h"
#include "eval_options.h"

/* Of the program. EXIT_ABOVE: a loss is above the bound of --fail-above. */
enum exit_status { EXIT_GOOD, EXIT_PROBLEM, EXIT_USAGE, EXIT_ABOVE };
/* What more needs to be done about: an error before a loss that is too large. */
enum exit_status exit_worse(enum exit_status a, enum exit_status b);

struct problem {
	const struct eval_options *options;
	/* Among several: what they are called where what is printed must say which it is of. */
	const char *file; /* NULL: there is one file */
	size_t line;      /* from 1; 0: the file is one problem */
	/* The file that a tensor is from, as sentences call it, or NULL. NULL: there is one file */
	const char *(*file_of)(const struct decoder *decoder, const char *tensor);

	struct loss_arena *arena;
	struct timings timings;
	struct evaluation *evaluation;
	struct loss_error err; /* what is wrong with the arguments; status LOSS_OK: nothing */
	bool planned;          /* all has been read: what is wrong from there on the library says */
};

/* options, file and line are set. problem_end is to be called, whatever becomes of it. */
void problem_begin(struct problem *problem, const struct media_type *media);
/* The decoder, for those that are given more than bytes; NULL when there is no memory. */
struct decoder *problem_decoder(struct problem *problem);
void problem_feed(struct problem *problem, const unsigned char *bytes, size_t n);
/* All of it has come, or as much as `found` let (status LOSS_OK: all): evaluates it, and prints the
 * reply, or one line on standard error. */
enum exit_status problem_end(struct problem *problem, const struct loss_error *found);
/* Ends it without a word. */
void problem_drop(struct problem *problem);

#endif
