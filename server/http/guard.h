/*
 * The framing guard: what a request's head must look like before its body may be believed.
 * libmicrohttpd 0.9 lets ambiguous framing pass (two lengths, a length beside a transfer coding, a
 * space before the colon), and ambiguous framing is how one request is smuggled inside another.
 * Pure functions over the header list.
 */
#ifndef LOSSD_GUARD_H
#define LOSSD_GUARD_H

#include <strings.h>

#include "loss.h"

struct header {
	/* Terminated; the value without white space before it. Of a request also with what is
	 * after it, since that is what libmicrohttpd compares. */
	const char *name, *value;
};

/*
 * A name of n bytes against a known one: names are compared without case (RFC 9110, section 5.1).
 * There are a dozen known ones and as many in a head, nearly all different: lengths and first
 * letters tell nearly all of them apart.
 */
struct header_name {
	const char *text;
	size_t n;
};
#define HEADER_NAME(literal)                                                                       \
	{                                                                                          \
		literal, sizeof(literal) - 1                                                       \
	}

static inline bool header_is(const char *name, size_t n, const struct header_name *known)
{
	return n == known->n && ((name[0] ^ known->text[0]) | 0x20) == 0x20 &&
	       strncasecmp(name, known->text, n) == 0;
}

/* A request's head as it came. */
struct raw_head {
	const char *method, *target, *version; /* "HTTP/1.1" or "HTTP/1.0" */
	const char *url; /* where the target came, in place decoded and cut; raw_head_read's */
	const struct header *headers;
	size_t n_headers;
	/* False where the lines were not what the words and headers show: folded, ended by a bare
	 * line feed, with a NUL, or with more than one space between two words. */
	bool exact;
};

struct framing {
	bool has_length;
	bool chunked;
	bool expects_continue; /* the client waits for 100 (Continue) before it sends its body */
	uint64_t length;       /* as declared; 0 without one */
};

/*
 * LOSS_OK and *framing, or STATUS_INVALID_HEADER or STATUS_EXPECTATION_FAILED: then nothing after
 * the head can be trusted, and the connection must be closed with the reply.
 */
loss_status guard_check(const struct raw_head *head, struct framing *framing,
			struct loss_error *err);

#endif
