/*
 * A text into its lines, in pieces of any size: what stands between line feeds, and after the last
 * one. Blank lines (spaces, tabs and carriage returns alone) are counted and passed over; a
 * carriage return before a line feed stays with its line, to which it is white space.
 */
#ifndef LOSSD_SPLITTER_H
#define LOSSD_SPLITTER_H

#include <stdbool.h>
#include <stddef.h>

/* Whose lines they are. */
struct splitter_owner {
	/* A line begins, the n-th of the text, counted from 1 with the blank ones. */
	void (*begin)(void *context, size_t n);
	/* Some of its bytes, at least one; it has begun. */
	void (*feed)(void *context, const unsigned char *bytes, size_t n);
	void (*end)(void *context);
	void *context;
};

struct splitter {
	const struct splitter_owner *owner; /* stays where it is */
	size_t line;                        /* the one at hand, counted from 1 */
	bool begun;                         /* it is not blank, so far */
};

void splitter_start(struct splitter *splitter, const struct splitter_owner *owner);
void splitter_feed(struct splitter *splitter, const unsigned char *bytes, size_t n);
/* The text is complete: ends a line that nothing has ended. */
void splitter_finish(struct splitter *splitter);

#endif
