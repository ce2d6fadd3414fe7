#include "intake.h"

#include <pthread.h>
#include <string.h>

#include "os/clock.h"
#include "os/yield.h"
#include "request.h"

/* From here on a body is long: nanoseconds that it takes to be fed. */
#define LONG_NS 250e3
/* Nanoseconds a byte: what takes less is fed faster than it is received. */
#define SLOW_BYTE_NS 0.25

/* A chunk is given to a worker from half of this on. */
#define CHUNK_BYTES ((size_t)128 << 10)
/* Fed at a time, and for how long before others have their turn. */
#define PIECE_BYTES ((size_t)16 << 10)
#define STEP_NS UINT64_C(500000)

struct chunk {
	unsigned char *bytes; /* capacity: the intake's */
	size_t size;
};

/* What the thread that serves the connection, suspended meanwhile, waits for. */
enum awaited { NOTHING, ROOM, END };

struct intake {
	struct request *request;
	struct work work;
	size_t capacity; /* of a chunk: what comes at a time never exceeds what is free */
	/* The connection's thread's; the worker's while that is awaited. */
	struct chunk *filling;
	/* The worker's while it is under way. */
	struct chunk *feeding;
	size_t fed; /* of that */
	struct chunk chunks[2];

	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t returned;
	bool under_way; /* a worker has the other chunk, or will have it */
	bool dropped;   /* nothing is fed any more */
	enum awaited awaited;
};

static struct intake *of(struct work *work)
{
	return (struct intake *)(void *)((char *)work - offsetof(struct intake, work));
}

static const struct handler *handler_of(const struct request *request)
{
	return request->endpoint->handler;
}

/* ---------------------------------------------------------------- on a worker */

static bool is_dropped(struct intake *intake)
{
	pthread_mutex_lock(&intake->mutex);
	bool dropped = intake->dropped;
	pthread_mutex_unlock(&intake->mutex);
	return dropped;
}

static bool step(struct work *work)
{
	struct intake *intake = of(work);
	const struct chunk *chunk = intake->feeding;
	uint64_t start = clock_ns();
	while (intake->fed < chunk->size && !is_dropped(intake)) {
		size_t left = chunk->size - intake->fed;
		size_t n = left < PIECE_BYTES ? left : PIECE_BYTES;
		handler_of(intake->request)->feed(intake->request, chunk->bytes + intake->fed, n);
		intake->fed += n;
		yield_core();
		if (clock_ns() - start >= STEP_NS)
			return intake->fed < chunk->size;
	}
	return false;
}

/* With the mutex held: what has been gathered is next. */
static void send(struct intake *intake)
{
	struct chunk *next = intake->filling;
	intake->filling = intake->feeding;
	intake->filling->size = 0;
	intake->feeding = next;
	intake->fed = 0;
	intake->under_way = true;
	workers_submit(intake->request->server->workers, &intake->work);
}

/* A chunk has been fed. Who awaits room has it now, who awaits the end where nothing is left. */
static void done(struct work *work)
{
	struct intake *intake = of(work);
	struct request *request = intake->request;
	pthread_mutex_lock(&intake->mutex);
	enum awaited awaited = intake->awaited;
	intake->under_way = false;
	if (intake->dropped)
		handler_of(request)->drop(request);
	else if (awaited != NOTHING && intake->filling->size > 0)
		send(intake);
	bool ends = awaited == END && !intake->under_way;
	if (awaited == ROOM || ends)
		intake->awaited = NOTHING;
	pthread_cond_signal(&intake->returned);
	pthread_mutex_unlock(&intake->mutex);
	if (awaited == ROOM)
		request->resume(request->connection);
	else if (ends)
		request_done(request);
}

/* ---------------------------------------------------------------- on the connection's thread */

/* Together, which is so much that the budget keeps it warm for the next body. */
static bool allocate(struct intake *intake)
{
	unsigned char *bytes = loss_arena_alloc(intake->request->arena, 2, intake->capacity);
	for (size_t i = 0; bytes && i < 2; i++)
		intake->chunks[i].bytes = bytes + i * intake->capacity;
	return bytes != NULL;
}

/* NULL: there is no memory, so it is done without. */
static struct intake *create(struct request *request)
{
	struct intake *intake = loss_arena_array(request->arena, struct intake, 1);
	if (!intake)
		return NULL;
	*intake = (struct intake){
		.request = request,
		.work = {.step = step, .done = done},
		.capacity = CHUNK_BYTES + request->server->config.connection_memory_bytes,
		.filling = &intake->chunks[0],
		.feeding = &intake->chunks[1],
	};
	if (!allocate(intake))
		return NULL;
	pthread_mutex_init(&intake->mutex, NULL);
	pthread_cond_init(&intake->returned, NULL);
	return intake;
}

/* What is still to come, the next n bytes included, is worth a worker. Memory for it is had by who
 * has sent as much, not by who only says so. */
static bool pays(const struct request *request, size_t n)
{
	const struct framing *framing = &request->head.framing;
	if (!handler_of(request)->byte_ns || !framing->has_length || framing->chunked ||
	    request->timings.bytes_in < CHUNK_BYTES)
		return false;
	double byte_ns = handler_of(request)->byte_ns(request);
	uint64_t left = framing->length - request->timings.bytes_in + n;
	return byte_ns >= SLOW_BYTE_NS && byte_ns * (double)left >= LONG_NS;
}

/* True: no more fits. */
static bool gather(struct intake *intake, const unsigned char *bytes, size_t n)
{
	struct chunk *chunk = intake->filling;
	memcpy(chunk->bytes + chunk->size, bytes, n);
	chunk->size += n;
	pthread_mutex_lock(&intake->mutex);
	if (!intake->under_way && chunk->size >= CHUNK_BYTES / 2)
		send(intake);
	bool full = intake->filling->size >= CHUNK_BYTES;
	pthread_mutex_unlock(&intake->mutex);
	return full;
}

bool intake_feed(struct request *request, const unsigned char *bytes, size_t n)
{
	if (!request->intake && !request->fed_here && pays(request, n)) {
		request->intake = create(request);
		request->fed_here = !request->intake;
	}
	if (!request->intake) {
		handler_of(request)->feed(request, bytes, n);
		return false;
	}
	bool last = request->timings.bytes_in == request->head.framing.length;
	return !request->intake->dropped && gather(request->intake, bytes, n) && !last;
}

void intake_await_room(struct request *request)
{
	struct intake *intake = request->intake;
	pthread_mutex_lock(&intake->mutex);
	bool waits = intake->under_way;
	if (waits)
		intake->awaited = ROOM;
	else
		send(intake);
	pthread_mutex_unlock(&intake->mutex);
	if (!waits)
		request->resume(request->connection);
}

bool intake_is_busy(const struct request *request)
{
	struct intake *intake = request->intake;
	if (!intake)
		return false;
	pthread_mutex_lock(&intake->mutex);
	bool busy = intake->under_way || (!intake->dropped && intake->filling->size > 0);
	pthread_mutex_unlock(&intake->mutex);
	return busy;
}

void intake_await_end(struct request *request)
{
	struct intake *intake = request->intake;
	pthread_mutex_lock(&intake->mutex);
	bool fed = !intake->under_way && (intake->dropped || intake->filling->size == 0);
	if (!fed) {
		intake->awaited = END;
		if (!intake->under_way)
			send(intake);
	}
	pthread_mutex_unlock(&intake->mutex);
	if (fed)
		request_done(request);
}

void intake_drop(struct request *request)
{
	struct intake *intake = request->intake;
	if (!intake) {
		handler_of(request)->drop(request);
		return;
	}
	pthread_mutex_lock(&intake->mutex);
	intake->dropped = true;
	if (!intake->under_way)
		handler_of(request)->drop(request);
	pthread_mutex_unlock(&intake->mutex);
}

void intake_end(struct request *request)
{
	struct intake *intake = request->intake;
	if (!intake)
		return;
	request->intake = NULL;
	handler_of(request)->stop(request); /* nobody waits for what is being fed */
	pthread_mutex_lock(&intake->mutex);
	intake->dropped = true;
	intake->awaited = NOTHING;
	if (intake->under_way && workers_withdraw(request->server->workers, &intake->work))
		intake->under_way = false;
	while (intake->under_way)
		pthread_cond_wait(&intake->returned, &intake->mutex);
	pthread_mutex_unlock(&intake->mutex);
	pthread_cond_destroy(&intake->returned);
	pthread_mutex_destroy(&intake->mutex);
}
