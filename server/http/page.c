/* The handlers of pages: replies that need nothing of the request but its path, or a small
 * document. */
#include "access.h"
#include "codec/content_coding.h"
#include "request.h"
#include "status/status.h"

#include <string.h>

/* Bytes of a document. */
#define DOCUMENT_BYTES ((uint64_t)65536)
/* Of text that every page has room for: more than those write that change something. */
#define PAGE_BYTES ((size_t)1024)

/* ---------------------------------------------------------------- the head */

static void check_accept(struct request *request)
{
	size_t chosen;
	request_fail(request, head_accept(&request->head, &request->endpoint->content_type, 1,
					  &chosen, &request->found));
}

/* Small documents come as they are, whatever their media type says: that is not told by all
 * clients, and told wrong by some. */
static loss_status check_plain(const struct request *request, struct loss_error *err)
{
	enum content_coding coding;
	loss_status status = head_encoding(&request->head, &coding, err);
	if (status != LOSS_OK || coding == CODING_IDENTITY)
		return status;
	return loss_fail(err, STATUS_UNSUPPORTED_ENCODING, NULL,
			 "Content-Encoding is \"%.80s\"; this path reads identity only: send the "
			 "body as it is",
			 request->head.content_encoding);
}

static void begin_document(struct request *request)
{
	request_fail(request, access_check_origin(&request->head, &request->server->config,
						  request->route->path, &request->found));
	request_fail(request, check_plain(request, &request->found));
	check_accept(request);
	if (request->fault.error.status != LOSS_OK)
		return;
	request->document = loss_buffer_create(request->arena);
	request->state = request->document;
	if (!request->document)
		request_fail(request, loss_arena_failure(request->arena, &request->found));
}

/* ---------------------------------------------------------------- the body */

static void feed_nothing(struct request *request, const unsigned char *bytes, size_t n)
{
	(void)request;
	(void)bytes;
	(void)n;
}

static void feed_document(struct request *request, const unsigned char *bytes, size_t n)
{
	if (!loss_buffer_append(request->document, bytes, n))
		request_fail(request, loss_arena_failure(request->arena, &request->found));
}

static void drop(struct request *request)
{
	loss_arena_release_buffers(request->arena);
}

/* ---------------------------------------------------------------- the page */

/* Clients of /v2 (tritonclient's for asyncio) say that they take what is compressed, since the
 * library below them says so, and decode inferences alone. */
static bool is_decoded(const struct request *request)
{
	return !request->route || strncmp(request->route->path, "/v2", 3) != 0;
}

/* Compresses the text where that is worth it and asked for; where there is no memory for it, it
 * goes as it is. */
static void compress(struct request *request)
{
	struct reply *reply = &request->reply;
	const struct body_part *text = &reply->body.parts[0];
	/* The reserve is for what must be said, not for saying it in few bytes. */
	bool scarce = request->over_budget || request->spare;
	struct reply_coding wanted = head_reply_coding(&request->head);
	bool worth_it = text->size >= DEFLATER_MIN_BYTES && is_decoded(request);
	reply->varies = wanted.always || worth_it;
	if (!reply->varies || scarce || wanted.coding == CODING_IDENTITY)
		return;
	struct deflater *deflater = deflater_create(wanted.coding, request->arena);
	bool good = deflater && deflater_feed(deflater, text->data, text->size);
	const struct loss_buffer *coded = good ? deflater_finish(deflater) : NULL;
	if (!coded)
		return;
	reply_set_body(reply, coded->data, coded->size);
	reply->coded = true;
}

static loss_status write_page(struct request *request, struct loss_arena *arena)
{
	struct reply *reply = &request->reply;
	*reply = (struct reply){
		.status = 200,
		.content_type = request->endpoint->content_type,
		.text = arena ? loss_buffer_create(arena) : NULL,
	};
	/* Room first: a page that changes something must not fail for want of it afterwards. */
	if (reply->text && !loss_buffer_reserve(reply->text, PAGE_BYTES))
		return loss_arena_failure(arena, &request->found);
	if (!reply->text)
		return arena ? loss_arena_failure(arena, &request->found)
			     : LOSS_TOO_MUCH_MEMORY_IN_FLIGHT;
	loss_status status = request->endpoint->page(request, reply, &request->found);
	if (status == LOSS_OK && reply->body.n_parts == 0)
		reply_set_body(reply, reply->text->data, reply->text->size);
	return status;
}

static void answer(struct request *request)
{
	loss_status status = write_page(request, request->arena);
	/* Pages are small, and some tell how the server fares: they are written all the same. */
	if (status == LOSS_TOO_MUCH_MEMORY_IN_FLIGHT)
		status = write_page(request, request_spare(request));
	if (status == LOSS_OK)
		compress(request);
	else
		request_fail(request, status);
}

static enum handler_end end(struct request *request)
{
	if (request->fault.error.status != LOSS_OK)
		return HANDLER_DONE;
	if (request->endpoint->blocks)
		return HANDLER_WAITS;
	answer(request);
	return HANDLER_DONE;
}

/* ---------------------------------------------------------------- pages that may block */

static struct request *owner(struct work *work)
{
	return (struct request *)(void *)((char *)work - offsetof(struct request, work));
}

static bool step(struct work *work)
{
	answer(owner(work));
	return false;
}

static void done(struct work *work)
{
	request_done(owner(work));
}

static void start(struct request *request)
{
	request->work = (struct work){.step = step, .done = done};
	workers_submit(request->server->workers, &request->work);
}

static enum handler_end proceed(struct request *request)
{
	(void)request;
	return HANDLER_DONE;
}

/* A page is written to its end: what it does is not done by halves. */
static void stop(struct request *request)
{
	(void)request;
}

static void point(const struct request *request, const struct loss_error *err, char *out,
		  size_t size)
{
	(void)request;
	(void)err;
	if (size > 0)
		*out = '\0';
}

static void release(struct request *request)
{
	(void)request;
}

#define PAGES                                                                                      \
	.ends_what_it_begins = true, .drop = drop, .end = end, .start = start, .proceed = proceed, \
	.stop = stop, .point = point, .release = release

const struct handler page_handler = {
	.begin = check_accept,
	.feed = feed_nothing,
	PAGES,
};

const struct handler document_handler = {
	.max_body_bytes = DOCUMENT_BYTES,
	.begin = begin_document,
	.feed = feed_document,
	PAGES,
};
