#include "request.h"

#include <string.h>

/* In a pad where there is one: most requests need no other memory. */
static struct loss_arena *begin_arena(struct loss_budget *budget, void *pad)
{
	return pad ? loss_arena_create_in(budget, pad, PAD_BYTES) : loss_arena_create(budget);
}

struct request *request_create(struct server *server, struct reaper_entry *entry,
			       const char *target, loss_status *why)
{
	/* Requests that need next to nothing (is it alive? what are its metrics?) are answered even
	 * when the budget is used up; evaluations are not. */
	bool over_budget = false;
	void *pad = pads_take(server->pads);
	struct loss_arena *arena = begin_arena(server->budget, pad);
	if (!arena) {
		over_budget = true;
		arena = begin_arena(server->reserve, pad);
	}
	struct request *request = arena ? loss_arena_array(arena, struct request, 1) : NULL;
	if (request) {
		memset(request, 0, sizeof *request);
		request->server = server;
		request->arena = request->fault.arena = arena;
		request->pad = pad;
		request->entry = entry;
		request->over_budget = over_budget;
		request->timings.start_ns =
			clock_coarse_ns(); /* until the head is read: exchange_begin */
	}
	if (request && target_split(target, arena, &request->target))
		return request;
	*why = arena ? loss_arena_failure(arena, &(struct loss_error){0})
		     : LOSS_TOO_MUCH_MEMORY_IN_FLIGHT;
	loss_arena_destroy(arena);
	pads_give(server->pads, pad);
	return NULL;
}

struct loss_arena *request_spare(struct request *request)
{
	if (!request->spare)
		request->spare = loss_arena_create(request->server->reserve);
	return request->spare;
}

void request_destroy(struct request *request)
{
	if (!request)
		return;
	if (request->watched)
		reaper_unwatch(request->server->reaper, request->entry);
	if (request->endpoint)
		request->endpoint->handler->release(request);
	struct pads *pads = request->server->pads;
	void *pad = request->pad;
	loss_arena_destroy(request->spare);
	loss_arena_destroy(request->arena);
	pads_give(pads, pad);
}

void request_fail(struct request *request, loss_status status)
{
	fault_note(&request->fault, status, &request->found);
}

void request_done(struct request *request)
{
	void (*resume)(void *) = request->resume;
	void *connection = request->connection;
	atomic_store_explicit(&request->ended, true, memory_order_release);
	resume(connection);
}

uint64_t request_bytes_out(const struct request *request)
{
	return request->method == METHOD_HEAD ? 0 : reply_size(&request->reply);
}
