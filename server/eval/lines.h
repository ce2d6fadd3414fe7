/*
 * Problems that come one a line, each evaluated as soon as its line is there, and their replies, in
 * the same order: its outputs, or the document of what is wrong with it. They are kept (os/spool.h)
 * until all of the body is there. Knows nothing of HTTP.
 *
 * Memory is that of one line and of the spool, however many lines there are. What a line takes is
 * charged to the budget while it is evaluated.
 *
 * Threads: any, one at a time, but for lines_stop.
 */
#ifndef LOSSD_LINES_H
#define LOSSD_LINES_H

#include "evaluation.h"
#include "os/spool.h"

struct lines_setup {
	struct evaluation_kind kind; /* of the body; its coding is that of all lines together */
	const char *query;           /* applies to each line */
	size_t n_query;
	const char *request_id;
	uint64_t max_reply_bytes;    /* of all replies, before they are compressed */
	const char *spool_directory; /* outlives them */
	struct loss_arena *arena;    /* theirs */
	struct loss_budget *budget;  /* of that arena, and of what each line takes */
};

struct lines;

/* In the arena, to be ended by lines_end; NULL when there is no memory, or the query is wrong. */
struct lines *lines_create(const struct lines_setup *setup, struct loss_error *err);
/* Evaluates the lines that these bytes complete. */
void lines_feed(struct lines *lines, const unsigned char *bytes, size_t n);
/* True when the end of the body is not to be waited for: it leaves more than a small line to do. */
bool lines_end_is_long(const struct lines *lines);
/*
 * The body is complete. LOSS_OK: the replies are, to at least one line. STATUS_EMPTY_BODY: it has
 * no line that is not blank; or what is wrong with the body's coding; or no memory for what must be
 * said; LOSS_CANCELLED: stopped.
 */
loss_status lines_finish(struct lines *lines, struct loss_error *err);
/* After that: where the replies are, whether they are compressed, or depend on whether the client
 * takes that. */
struct spool *lines_spool(struct lines *lines);
bool lines_are_coded(const struct lines *lines);
bool lines_are_compressible(const struct lines *lines);
/* Adds what all lines took, and how many there were. */
void lines_add_timings(const struct lines *lines, struct timings *timings);
/* Nobody waits for it any more: from any thread, at any time before its end. */
void lines_stop(struct lines *lines);
/* Gives up what has been received and written; what is fed after that is for nothing. */
void lines_drop(struct lines *lines);
/* Lets go of what does not lie in the arena. */
void lines_end(struct lines *lines);

#endif
