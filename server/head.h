/*
 * What a request's headers mean, once its framing is certain: media types both ways, content
 * coding, ids, the caller's own deadline. Pure functions over the header list; texts live in the
 * request's arena or connection.
 */
#ifndef LOSSD_HEAD_H
#define LOSSD_HEAD_H

#include "guard.h"

#define HEAD_MAX_ID 128

struct head {
	struct framing framing;
	const char *content_type; /* NULL: absent or empty; the same for others but timeout */
	const char *content_encoding;
	const char *accept;
	const char *origin;
	const char *timeout;
	const char *request_id;  /* absent also when it may not be echoed */
	const char *traceparent; /* valid, or absent */
	const char *tracestate;  /* only beside a traceparent */
};

/* Collects them, joining those that are lists. LOSS_INVALID_HEADER where one that must stand alone
 * is doubled. */
loss_status head_read(struct head *head, const struct header *headers, size_t n,
		      struct loss_arena *arena, struct loss_error *err);

/* Content-Type against a list of media type names; the index of the one meant (0 when absent). */
loss_status head_media_type(const struct head *head, const char *const *names, size_t n,
			    size_t *index, struct loss_error *err);
/* LOSS_UNSUPPORTED_ENCODING unless the body comes as it is. */
loss_status head_encoding(const struct head *head, struct loss_error *err);
/* LOSS_NOT_ACCEPTABLE when Accept excludes the media type that the reply has. */
loss_status head_accept(const struct head *head, const char *type, struct loss_error *err);
/* X-Request-Timeout-Ms, 1 to 3,600,000; 0 when absent. */
loss_status head_timeout(const struct head *head, uint64_t *ms, struct loss_error *err);

#endif
