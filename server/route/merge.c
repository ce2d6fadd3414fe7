#include "merge.h"

#include <stdio.h>

#include "codec/content_coding.h"
#include "codec/json/totals_in.h"
#include "codec/json/totals_out.h"
#include "http/access.h"
#include "http/request.h"
#include "status/status.h"

/* Of a request: request->state. */
struct merge {
	struct totals_in *in;
	struct inflater *inflater; /* NULL: the body comes as it is */
};

static struct merge *of(const struct request *request)
{
	return (struct merge *)request->state;
}

/* ---------------------------------------------------------------- the head */

static loss_status open_merge(struct request *request, enum content_coding coding,
			      struct loss_error *err)
{
	if (request->over_budget)
		return loss_fail(err, LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, NULL,
				 "the requests being served hold the whole memory budget "
				 "(memory_budget_bytes); send this one again later");
	struct merge *merge = loss_arena_array(request->arena, struct merge, 1);
	if (!merge)
		return loss_arena_failure(request->arena, err);
	merge->in = totals_in_create(request->arena, request->server->config.max_elements);
	merge->inflater = NULL;
	if (coding != CODING_IDENTITY)
		merge->inflater = inflater_create(coding, request->server->config.max_body_bytes,
						  request->arena);
	if (!merge->in || (coding != CODING_IDENTITY && !merge->inflater))
		return loss_arena_failure(request->arena, err);
	request->state = merge;
	return LOSS_OK;
}

static void begin(struct request *request)
{
	static const char *const json = "application/json";
	enum content_coding coding;
	size_t chosen;
	request_fail(request, head_media_type(&request->head, &json, 1, &chosen, &request->found));
	request_fail(request, head_encoding(&request->head, &coding, &request->found));
	request_fail(request, head_accept(&request->head, &json, 1, &chosen, &request->found));
	if (request->fault.error.status == LOSS_OK)
		request_fail(request, open_merge(request, coding, &request->found));
}

/* ---------------------------------------------------------------- the body */

static void feed_decoded(void *context, const unsigned char *bytes, size_t n)
{
	totals_in_feed(context, bytes, n);
}

static void feed(struct request *request, const unsigned char *bytes, size_t n)
{
	struct merge *merge = of(request);
	if (merge->inflater)
		inflater_feed(merge->inflater, bytes, n, feed_decoded, merge->in);
	else
		totals_in_feed(merge->in, bytes, n);
}

/* Nanoseconds that a byte of states takes, read and merged, more or less. */
#define STATES_BYTE_NS 10.0

static double byte_ns(const struct request *request)
{
	(void)request;
	return STATES_BYTE_NS;
}

static void drop(struct request *request)
{
	loss_arena_release_buffers(request->arena);
}

/* ---------------------------------------------------------------- the reply */

loss_status merge_page(struct request *request, struct reply *reply, struct loss_error *err)
{
	struct loss_result result;
	struct json_out out;
	loss_status status = totals_in_finish(of(request)->in, &result, err);
	if (status != LOSS_OK)
		return status;
	json_out_start(&out, reply->text);
	totals_out_put(&out, &result);
	return out.failed ? loss_arena_failure(reply->text->arena, err) : LOSS_OK;
}

static enum handler_end end(struct request *request)
{
	struct merge *merge = of(request);
	if (!merge)
		return HANDLER_DONE;
	loss_status status =
		merge->inflater ? inflater_finish(merge->inflater, &request->found) : LOSS_OK;
	if (status == LOSS_OK)
		status = totals_in_end(merge->in, &request->found);
	request_fail(request, status);
	return page_handler.end(request);
}

/* ---------------------------------------------------------------- the end */

/* Of states with many groups what they come to takes its time. */
static void start(struct request *request)
{
	page_handler.start(request);
}

static enum handler_end proceed(struct request *request)
{
	(void)request;
	return HANDLER_DONE;
}

static void stop(struct request *request)
{
	(void)request;
}

static void point(const struct request *request, const struct loss_error *err, char *out,
		  size_t size)
{
	(void)err;
	snprintf(out, size, "%s", totals_in_pointer(of(request)->in));
}

static void release(struct request *request)
{
	(void)request;
}

const struct handler merge_handler = {
	.needs_body = "merging totals",
	.begin = begin,
	.feed = feed,
	.byte_ns = byte_ns,
	.drop = drop,
	.end = end,
	.start = start,
	.proceed = proceed,
	.stop = stop,
	.point = point,
	.release = release,
};
