#include "response.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "request.h"

/* Over a Unix socket a reply of more than this is copied, piece by piece, so that it is known how
 * far it has come. */
#define PIECE_BYTES ((size_t)1 << 16)

/* The body is not copied. libmicrohttpd does not write to a persistent buffer, though its type says
 * that it might. */
static struct MHD_Response *response_of(const void *bytes, size_t size)
{
	union {
		const void *in;
		void *out;
	} body = {.in = size ? bytes : ""};
	return MHD_create_response_from_buffer(size, body.out, MHD_RESPMEM_PERSISTENT);
}

/* Its parts are sent from where they lie. */
static struct MHD_Response *response_of_parts(const struct body *body)
{
	struct MHD_IoVec parts[BODY_MAX_PARTS];
	for (size_t i = 0; i < body->n_parts; i++)
		parts[i] = (struct MHD_IoVec){body->parts[i].data, body->parts[i].size};
	return MHD_create_response_from_iovec(parts, (unsigned)body->n_parts, NULL, NULL);
}

static ssize_t copy_piece(void *context, uint64_t position, char *out, size_t size)
{
	const struct request *request = (const struct request *)context;
	reaper_handed(request->entry, position);
	size_t n = reply_copy(&request->reply, position, out, size);
	return n > 0 ? (ssize_t)n : MHD_CONTENT_READER_END_WITH_ERROR;
}

/* libmicrohttpd closes what it is given. */
static struct MHD_Response *response_of_file(const struct reply_file *file)
{
	int fd = fcntl(file->fd, F_DUPFD_CLOEXEC, 0);
	struct MHD_Response *response =
		fd < 0 ? NULL : MHD_create_response_from_fd64(file->size, fd);
	if (!response && fd >= 0)
		close(fd);
	return response;
}

static struct MHD_Response *response_of_body(struct request *request)
{
	const struct reply *reply = &request->reply;
	const struct body *body = &reply->body;
	uint64_t size = reply_size(reply);
	bool both = reply->file.size > 0 && reply->file.size < size;
	if ((request->unix_socket && size > PIECE_BYTES) || both)
		return MHD_create_response_from_callback(size, PIECE_BYTES, copy_piece, request,
							 NULL);
	if (reply->file.size > 0)
		return response_of_file(&reply->file);
	if (body->n_parts > 1)
		return response_of_parts(body);
	return response_of(body->parts[0].data, body->parts[0].size);
}

/* What libmicrohttpd takes for one. */
static bool is_value(const char *value)
{
	return value[0] != '\0' && value[strcspn(value, "\t\r\n")] == '\0';
}

/* False where there is no memory. What libmicrohttpd takes for no value is left out. */
static bool add_header(struct MHD_Response *response, const char *name, const char *value)
{
	return MHD_add_response_header(response, name, value) == MHD_YES || !is_value(value);
}

/* All of its headers, or it is another reply: compressed bytes that are not called so, a document
 * whose length nobody knows. */
static bool add_headers(struct MHD_Response *response, const struct reply *reply, bool close)
{
	bool added = !close || add_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	for (size_t i = 0; added && i < reply->n_headers; i++)
		added = add_header(response, reply->headers[i].name, reply->headers[i].value);
	return added;
}

struct MHD_Response *response_make(struct request *request, bool close)
{
	struct MHD_Response *response = response_of_body(request);
	if (!response || add_headers(response, &request->reply, close))
		return response;
	MHD_destroy_response(response);
	return NULL;
}

struct MHD_Response *response_make_refusal(bool v2, bool budget)
{
	size_t size;
	const char *document = reply_no_memory(v2, budget, &size);
	struct MHD_Response *response = response_of(document, size);
	if (response && add_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, reply_error_type(v2)) &&
	    add_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1") &&
	    add_header(response, REPLY_NO_SNIFFING, REPLY_NO_SNIFFING_VALUE))
		return response;
	if (response)
		MHD_destroy_response(response);
	return NULL;
}
