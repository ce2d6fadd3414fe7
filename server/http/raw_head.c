#include "raw_head.h"

#include <string.h>

/* What of libmicrohttpd's inside is used below is that of 0.9, up to its last version. */
#define OLD_MICROHTTPD (MHD_VERSION < 0x00097800)

/* The version has been checked when the target is told. */
static bool is_version(const char *text)
{
	return strncmp(text, "HTTP/", 5) == 0;
}

void raw_head_hide_query(const char *target)
{
	union {
		const char *in;
		char *out;
	} query = {.in = strchr(target, '?')};
	if (!OLD_MICROHTTPD)
		return;
	while (!query.in && !is_version(target + strlen(target) + 1)) {
		target += strlen(target) + 1;
		query.in = strchr(target, '?');
	}
	if (query.in)
		query.out[1] = '\0';
}

struct header_list {
	struct loss_arena *arena;
	struct header *headers;
	size_t n;
};

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name,
				 const char *value)
{
	struct header_list *list = (struct header_list *)context;
	(void)kind;
	list->headers[list->n++] = (struct header){name, value ? value : ""};
	return MHD_YES;
}

static bool list_headers(struct MHD_Connection *connection, struct header_list *list)
{
	int n = MHD_get_connection_values(connection, MHD_HEADER_KIND, NULL, NULL);
	list->headers = loss_arena_array(list->arena, struct header, n > 0 ? (size_t)n : 0);
	if (!list->headers)
		return false;
	if (n > 0)
		MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, list);
	return true;
}

/*
 * libmicrohttpd 0.9 parses the head where it lies and cuts it up with NULs, one for a space of the
 * request line, two for each CR LF. Lines that it understands in its own way leave other traces: a
 * bare line feed one NUL, a folded value lies elsewhere, what is after a NUL in a word or a value
 * belongs to nothing, and a header without a name ends the head. So the pieces must lie end to end.
 * (Later versions refuse all these themselves.)
 */
static bool is_exact(struct MHD_Connection *connection, const struct raw_head *head)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	const char *end = head->version + strlen(head->version);
	if (!OLD_MICROHTTPD || !info)
		return true;
	if (head->url != head->method + strlen(head->method) + 1 ||
	    head->version != head->url + strlen(head->target) + 1)
		return false;
	for (size_t i = 0; i < head->n_headers; i++) {
		if (head->headers[i].name != end + 2)
			return false;
		end = head->headers[i].value + strlen(head->headers[i].value);
	}
	return end + 4 == head->method + info->header_size && memcmp(end, "\0\0\0", 4) == 0;
}

bool raw_head_read(struct MHD_Connection *connection, struct loss_arena *arena,
		   struct raw_head *head)
{
	struct header_list list = {.arena = arena};
	if (!list_headers(connection, &list))
		return false;
	head->headers = list.headers;
	head->n_headers = list.n;
	head->exact = is_exact(connection, head);
	return true;
}
