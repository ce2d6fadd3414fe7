#include "reply.h"

#include <string.h>

#include "os/spool.h"

void reply_add_header(struct reply *reply, const char *name, const char *value)
{
	if (value && reply->n_headers < REPLY_MAX_HEADERS)
		reply->headers[reply->n_headers++] = (struct header){name, value};
}

void reply_set_body(struct reply *reply, const void *bytes, size_t size)
{
	reply->body = (struct body){1, {{bytes, size}}};
}

uint64_t reply_size(const struct reply *reply)
{
	uint64_t size = reply->file.size;
	for (size_t i = 0; i < reply->body.n_parts; i++)
		size += reply->body.parts[i].size;
	return size;
}

size_t reply_copy(const struct reply *reply, uint64_t position, char *out, size_t size)
{
	const struct body *body = &reply->body;
	size_t n = 0;
	if (position < reply->file.size) {
		uint64_t left = reply->file.size - position;
		size_t some = left < size ? (size_t)left : size;
		n = spool_copy(reply->file.fd, position, out, some);
		if (n < some)
			return n;
		position = reply->file.size;
	}
	position -= reply->file.size;
	for (size_t i = 0; i < body->n_parts && n < size; i++) {
		const struct body_part *part = &body->parts[i];
		size_t skipped = position < part->size ? (size_t)position : part->size;
		size_t left = part->size - skipped, some = left < size - n ? left : size - n;
		if (some > 0)
			memcpy(out + n, (const char *)part->data + skipped, some);
		position -= skipped;
		n += some;
	}
	return n;
}

const char *reply_no_memory(bool v2, bool budget, size_t *size)
{
	static const char *const documents[2][2] = {
		{"{\"type\": \"/problems/out_of_memory\", \"title\": \"An allocation failed\", "
		 "\"status\": 503, \"detail\": \"There was no memory to say more.\", "
		 "\"code\": \"out_of_memory\"}\n",
		 "{\"type\": \"/problems/too_much_memory_in_flight\", \"title\": \"Too much memory "
		 "in flight\", \"status\": 429, \"detail\": \"The requests being served "
		 "hold the whole memory budget (memory_budget_bytes); send this one again "
		 "later.\", \"code\": \"too_much_memory_in_flight\"}\n"},
		{"{\"error\": \"There was no memory to say more.\"}\n",
		 "{\"error\": \"The requests being served hold the whole memory budget "
		 "(memory_budget_bytes); send this one again later.\"}\n"},
	};
	*size = strlen(documents[v2][budget]);
	return documents[v2][budget];
}

const char *reply_error_type(bool v2)
{
	return v2 ? "application/json" : "application/problem+json";
}
