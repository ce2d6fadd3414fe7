/*
 * Small JSON documents that are no problems: {"key": "/a", "byte_size": 64}. Checked as strictly as
 * those are; integers are exact. A body that is empty counts as {}.
 */
#ifndef LOSSD_CODEC_CONTROL_H
#define LOSSD_CODEC_CONTROL_H

#include "loss.h"

enum control_type {
	CONTROL_TEXT,   /* value: a char array of `size` bytes */
	CONTROL_SIZE,   /* value: a uint64_t */
	CONTROL_FLAG,   /* value: a bool */
	CONTROL_OBJECT, /* any object, whose members are not looked at; value is NULL */
};

/* A member that a document may have once. A value that is absent or null is left as it is. */
struct control_field {
	const char *name;
	enum control_type type;
	bool required;
	void *value;
	size_t size;
};
#define CONTROL_MAX_FIELDS 8

/* Fills the values of n fields from a document; a body of NULL is an empty one. */
loss_status control_read(const struct loss_buffer *body, const struct control_field *fields,
			 size_t n, struct loss_error *err);

#endif
