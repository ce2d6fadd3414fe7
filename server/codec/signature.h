/*
 * What a body or a file is, by its first bytes: for `lossd eval`, which tells formats by them, and
 * for sentences about what has come where something else is read.
 */
#ifndef LOSSD_CODEC_SIGNATURE_H
#define LOSSD_CODEC_SIGNATURE_H

#include "content_coding.h"

/* As many as tell an archive by the name of its first member. */
#define SIGNATURE_BYTES ((size_t)64)

/* The first bytes of what came, however it was cut. */
struct beginning {
	unsigned char bytes[SIGNATURE_BYTES];
	size_t n;
};
void beginning_feed(struct beginning *beginning, const unsigned char *bytes, size_t n);

/* One row a kind. */
struct signature {
	const char *what;           /* "a NumPy array (.npy)" */
	const char *format;         /* that `lossd eval` reads; NULL: it does not */
	enum content_coding coding; /* that is decoded before */
	const char *in_body;        /* what to do with it: in place of sending it as it is, */
	const char *in_file;        /* or of naming it to `lossd eval` */
	/* It begins with these; or else `is` says so. */
	const char *bytes;
	size_t n;
	bool (*is)(const struct beginning *beginning);
};

/* NULL when nothing is known that begins so. */
const struct signature *signature_find(const struct beginning *beginning);

/* Adds to the sentence of err, which is about a body (or file) that can not be read as `format`,
 * what it looks like and what to do. Leaves it as it is where nothing is known. */
void signature_tell(const struct beginning *beginning, const char *format, bool is_file,
		    struct loss_error *err);

#endif
