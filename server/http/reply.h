/* The reply to a request, as what answers it fills it. */
#ifndef LOSSD_REPLY_H
#define LOSSD_REPLY_H

#include "codec/encoder.h"
#include "guard.h"

#define REPLY_MAX_HEADERS 16

/* Bytes that are sent from a file, from its beginning on. */
struct reply_file {
	int fd;        /* its owner closes it when the request ends */
	uint64_t size; /* 0: there is none */
};

struct reply {
	unsigned status; /* 0: none yet */
	const char *content_type;
	struct loss_buffer *text; /* where a page writes */
	struct reply_file file;   /* what is sent first */
	struct body body;         /* what is sent, from where it lies */
	bool coded;               /* the body is, as head_reply_coding says */
	bool varies;              /* whether it is depends on Accept-Encoding */
	bool close; /* the connection ends with this reply, whatever has been sent after */
	size_t n_headers;
	struct header headers[REPLY_MAX_HEADERS];
};

/* One more header; a NULL value is none. Both live as long as the request. */
void reply_add_header(struct reply *reply, const char *name, const char *value);
void reply_set_body(struct reply *reply, const void *bytes, size_t size);
uint64_t reply_size(const struct reply *reply); /* of the body */
/* Copies what stands at a position of the body, the file's included; fewer bytes than there is room
 * for where it ends, or where the file can not be read. */
size_t reply_copy(const struct reply *reply, uint64_t position, char *out, size_t size);

/* Stands in every reply: bytes of the caller's choice are not to be taken for a page or a script.
 */
#define REPLY_NO_SNIFFING "X-Content-Type-Options"
#define REPLY_NO_SNIFFING_VALUE "nosniff"

/* The documents for where there is no memory to write one, static: of too_much_memory_in_flight,
 * where it is the budget that is used up, or of out_of_memory; as /v2 has errors, or as /v1. */
const char *reply_no_memory(bool v2, bool budget, size_t *size);
/* The Content-Type of errors. */
const char *reply_error_type(bool v2);

#endif
