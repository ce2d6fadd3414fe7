#include "upload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "timing.h"

static bool send_upload(struct channel *channel, const char *path, const struct upload *upload)
{
	char head[512];
	int n = snprintf(head, sizeof head,
			 "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\n"
			 "Content-Length: %llu\r\n%s\r\n",
			 path, upload->type, (unsigned long long)upload->bytes,
			 upload->fields ? upload->fields : "");
	uint64_t left = upload->bytes - upload->head_bytes;
	if (!channel_send(channel, head, (size_t)n) ||
	    !channel_send(channel, upload->head, upload->head_bytes))
		return false;
	while (left > 0) {
		size_t part = left < upload->piece_bytes ? (size_t)left : upload->piece_bytes;
		if (!channel_send(channel, upload->piece, part))
			return false;
		left -= part;
	}
	return true;
}

/* ---------------------------------------------------------------- the reply */

#define READ_BYTES ((size_t)256 << 10)
#define END_BYTES 7 /* of last_chunk */

static const char last_chunk[END_BYTES + 1] = "\r\n0\r\n\r\n";

struct incoming {
	struct channel *channel;
	bool chunked;
	uint64_t expected;   /* of the body, where it is not chunked */
	char end[END_BYTES]; /* what came last */
};

static void keep_end(struct incoming *incoming, const char *bytes, size_t n)
{
	size_t kept = n < END_BYTES ? END_BYTES - n : 0;
	memmove(incoming->end, incoming->end + END_BYTES - kept, kept);
	memcpy(incoming->end + kept, bytes + n - (END_BYTES - kept), END_BYTES - kept);
}

/* Nothing but a reply is under way, so what ends like a last chunk is one, but for a chance in
 * 2^56. */
static bool is_complete(const struct incoming *incoming, uint64_t have)
{
	return incoming->chunked ? memcmp(incoming->end, last_chunk, END_BYTES) == 0
				 : have >= incoming->expected;
}

static void read_fields(struct incoming *incoming, struct exchange *exchange, const char *head)
{
	static const char length[] = "\r\nContent-Length: ";
	const char *field = strcasestr(head, length);
	sscanf(head, "HTTP/1.1 %d", &exchange->status);
	incoming->expected = field ? strtoull(field + sizeof length - 1, NULL, 10) : 0;
	incoming->chunked = strcasestr(head, "\r\nTransfer-Encoding: chunked") != NULL;
}

/* Reads up to the end of the head, and what of the body comes with it. */
static bool receive_head(struct incoming *incoming, struct exchange *exchange, char *bytes)
{
	size_t n = 0;
	char *body = NULL;
	while (!body) {
		ssize_t got = channel_receive(incoming->channel, bytes + n, READ_BYTES - 1 - n);
		if (got <= 0)
			return false;
		if (n == 0)
			exchange->first = now_seconds();
		n += (size_t)got;
		bytes[n] = '\0';
		body = strstr(bytes, "\r\n\r\n");
	}
	keep_end(incoming, bytes, n);
	*body = '\0';
	read_fields(incoming, exchange, bytes);
	exchange->bytes = n - (size_t)(body + 4 - bytes);
	return true;
}

/* Reads one reply to its end. */
static bool receive_reply(struct channel *channel, struct exchange *exchange)
{
	char bytes[READ_BYTES];
	struct incoming incoming = {.channel = channel};
	if (!receive_head(&incoming, exchange, bytes))
		return false;
	while (!is_complete(&incoming, exchange->bytes)) {
		ssize_t got = channel_receive(channel, bytes, sizeof bytes);
		if (got <= 0)
			return false;
		keep_end(&incoming, bytes, (size_t)got);
		exchange->bytes += (uint64_t)got;
	}
	exchange->last = now_seconds();
	return true;
}

bool upload_exchange(struct channel *channel, const char *path, const struct upload *upload,
		     struct exchange *exchange)
{
	double start = now_seconds();
	*exchange = (struct exchange){0};
	if (!send_upload(channel, path, upload))
		return false;
	exchange->sent = now_seconds() - start;
	if (!receive_reply(channel, exchange))
		return false;
	exchange->first -= start;
	exchange->last -= start;
	return true;
}

double upload_seconds(struct channel *channel, const char *path, const struct upload *upload)
{
	struct exchange exchange;
	bool good = upload_exchange(channel, path, upload, &exchange) && exchange.status == 200;
	return good ? exchange.last : (double)NAN;
}
