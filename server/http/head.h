/*
 * What a request's headers mean, once its framing is certain: media types both ways, content
 * coding, ids, the caller's own deadline. Pure functions over the header list; texts live in the
 * request's arena or connection.
 */
#ifndef LOSSD_HEAD_H
#define LOSSD_HEAD_H

#include "codec/content_coding.h"
#include "guard.h"

#define HEAD_MAX_ID 128

struct head {
	struct framing framing;
	const char *content_type; /* NULL: absent or empty; the same for others but timeout */
	const char *content_encoding;
	const char *accept;
	const char *accept_encoding;
	const char *header_length; /* Inference-Header-Content-Length */
	const char *host;
	const char *origin;
	const char *authorization; /* "": empty, or doubled */
	const char *timeout;
	const char *request_id;  /* absent also when it may not be echoed */
	const char *traceparent; /* valid, or absent */
	const char *tracestate;  /* only beside a traceparent */
};

/* Collects them, joining those that are lists. STATUS_INVALID_HEADER where one that must stand
 * alone is doubled. */
loss_status head_read(struct head *head, const struct header *headers, size_t n,
		      struct loss_arena *arena, struct loss_error *err);

/* Content-Type against a list of media type names; the index of the one meant (0 when absent). */
loss_status head_media_type(const struct head *head, const char *const *names, size_t n,
			    size_t *index, struct loss_error *err);
/* How the body is coded. STATUS_UNSUPPORTED_ENCODING where it is in a way that is not known, or in
 * more than one. */
loss_status head_encoding(const struct head *head, enum content_coding *coding,
			  struct loss_error *err);
/* How Accept-Encoding wants replies (RFC 9110, section 12.5.3): as what it gives the largest
 * weight, of equal ones zstd, then gzip, then as they are. As they are, too, where it takes nothing
 * at all. */
struct reply_coding head_reply_coding(const struct head *head);
/* The same, by the name that route/evaluate.c has for it. */
static inline struct reply_coding head_takes_gzip(const struct head *head)
{
	return head_reply_coding(head);
}
/* Which of n media types (at least one, with or without parameters) Accept asks for: the one of the
 * largest weight, of equal ones the one named most closely, then the first. STATUS_NOT_ACCEPTABLE
 * when it excludes them all. */
loss_status head_accept(const struct head *head, const char *const *types, size_t n, size_t *index,
			struct loss_error *err);
/* X-Request-Timeout-Ms, 1 to 3,600,000; 0 when absent. */
loss_status head_timeout(const struct head *head, uint64_t *ms, struct loss_error *err);

#endif
