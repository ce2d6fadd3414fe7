#include "deadline.h"

#include <stdarg.h>
#include <stdio.h>

void deadline_set(struct request *request, uint64_t ns, const char *format, ...)
{
	if (ns == 0 || (request->timeout_ns > 0 && request->timeout_ns <= ns))
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(request->timeout_name, sizeof request->timeout_name, format, args);
	va_end(args);
	request->timeout_ns = ns;
}

static uint64_t expiry(const struct request *request)
{
	return request->timeout_ns ? request->timings.start_ns + request->timeout_ns : 0;
}

bool deadline_passed(const struct request *request)
{
	return request->timeout_ns && clock_ns() >= expiry(request);
}

loss_status deadline_fail(const struct request *request, const char *when, struct loss_error *err)
{
	return loss_fail(err, LOSS_CANCELLED, NULL, "%s passed %s", request->timeout_name, when);
}

/* On the reaper's thread. */
static void notice(void *context, enum reaper_event event)
{
	struct request *request = (struct request *)context;
	atomic_store(event == REAPER_GONE ? &request->gone : &request->expired, true);
	if (request->endpoint)
		request->endpoint->handler->stop(request);
}

void deadline_watch(struct request *request)
{
	request->watched = true;
	/* HTTP/1.0 knows no interim responses. */
	const struct reaper_watch watch = {.expires_ns = expiry(request),
					   .probes = request->interim,
					   .notice = notice,
					   .context = request};
	reaper_watch(request->server->reaper, request->entry, &watch);
}

void deadline_unwatch(struct request *request)
{
	if (request->watched)
		reaper_unwatch(request->server->reaper, request->entry);
	request->watched = false;
}
