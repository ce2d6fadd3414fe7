#include "workers.h"

#include <pthread.h>

#include "yield.h"

struct workers {
	/* Guards all below, and next of the works. */
	pthread_mutex_t mutex;
	pthread_cond_t work;
	bool stopping;
	struct work *first, **last; /* that wait for a step, in turn */
	size_t n;
	pthread_t threads[];
};

static void append(struct workers *w, struct work *work)
{
	work->next = NULL;
	*w->last = work;
	w->last = &work->next;
}

static struct work *take(struct workers *w)
{
	struct work *work = w->first;
	w->first = work->next;
	if (!w->first)
		w->last = &w->first;
	return work;
}

static void *run(void *context)
{
	struct workers *w = (struct workers *)context;
	pthread_mutex_lock(&w->mutex);
	while (w->first || !w->stopping) {
		if (!w->first) {
			pthread_cond_wait(&w->work, &w->mutex);
			continue;
		}
		struct work *work = take(w);
		pthread_mutex_unlock(&w->mutex);
		bool more = work->step(work);
		if (!more)
			work->done(work);
		yield_core();
		pthread_mutex_lock(&w->mutex);
		if (more)
			append(w, work);
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

struct workers *workers_start(struct loss_arena *arena, size_t threads)
{
	struct workers *w = loss_arena_alloc(arena, 1, sizeof *w + threads * sizeof w->threads[0]);
	if (!w)
		return NULL;
	*w = (struct workers){.last = &w->first};
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->work, NULL);
	while (w->n < threads && pthread_create(&w->threads[w->n], NULL, run, w) == 0)
		w->n++;
	if (w->n == threads)
		return w;
	workers_stop(w);
	return NULL;
}

void workers_submit(struct workers *w, struct work *work)
{
	pthread_mutex_lock(&w->mutex);
	append(w, work);
	pthread_cond_signal(&w->work);
	pthread_mutex_unlock(&w->mutex);
}

bool workers_withdraw(struct workers *w, struct work *work)
{
	pthread_mutex_lock(&w->mutex);
	struct work **at = &w->first;
	while (*at && *at != work)
		at = &(*at)->next;
	bool waits = *at != NULL;
	if (waits) {
		*at = work->next;
		if (w->last == &work->next)
			w->last = at;
	}
	pthread_mutex_unlock(&w->mutex);
	return waits;
}

void workers_stop(struct workers *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->mutex);
	w->stopping = true;
	pthread_cond_broadcast(&w->work);
	pthread_mutex_unlock(&w->mutex);
	while (w->n > 0)
		pthread_join(w->threads[--w->n], NULL);
	pthread_cond_destroy(&w->work);
	pthread_mutex_destroy(&w->mutex);
}
