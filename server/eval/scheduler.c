#include "scheduler.h"

#include <pthread.h>
#include <stdatomic.h>

#include "os/clock.h"

struct scheduler {
	int threads;
	pthread_t thread;
	/* Guards all below, next and queued of the jobs, and under_way of the tasks. */
	pthread_mutex_t mutex;
	pthread_cond_t work, returned;
	bool has_team, stopping;
	struct job *first, **last;
	size_t depth;
	struct task *task; /* that waits to be run; NULL: none */
	bool away;         /* on a task */
	uint64_t due_ns;   /* when the job that runs should long have ended; 0: none runs */
};

static struct job *take(struct scheduler *s)
{
	struct job *job = s->first;
	s->first = job->next;
	if (!s->first)
		s->last = &s->first;
	job->queued = false;
	s->depth--;
	s->due_ns = clock_ns() + SCHEDULER_PATIENCE_NS + job->elements * SCHEDULER_ELEMENT_NS;
	return job;
}

static void make_team(int threads)
{
	atomic_int members = 0;
#pragma omp parallel num_threads(threads)
	atomic_fetch_add(&members, 1);
}

static void run_job(struct scheduler *s)
{
	struct job *job = take(s);
	pthread_mutex_unlock(&s->mutex);
	job->run(job, s->threads);
	job->done(job);
	pthread_mutex_lock(&s->mutex);
	s->due_ns = 0;
}

static void run_task(struct scheduler *s)
{
	struct task *task = s->task;
	s->task = NULL;
	s->away = true;
	pthread_mutex_unlock(&s->mutex);
	task->run(task->context);
	pthread_mutex_lock(&s->mutex);
	s->away = false;
	task->under_way = false;
	pthread_cond_broadcast(&s->returned);
}

static void *compute(void *context)
{
	struct scheduler *s = (struct scheduler *)context;
	make_team(s->threads);

	pthread_mutex_lock(&s->mutex);
	s->has_team = true;
	pthread_cond_broadcast(&s->returned);
	for (;;) {
		while (!s->first && !s->task && !s->stopping)
			pthread_cond_wait(&s->work, &s->mutex);
		if (s->task)
			run_task(s);
		else if (s->first)
			run_job(s);
		else
			break;
	}
	pthread_mutex_unlock(&s->mutex);
	return NULL;
}

/* libgomp ends the process where it has no memory or thread for the team: not one that has said
 * that it is ready. */
static void await_team(struct scheduler *s)
{
	pthread_mutex_lock(&s->mutex);
	while (!s->has_team)
		pthread_cond_wait(&s->returned, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
}

struct scheduler *scheduler_start(struct loss_arena *arena, int threads)
{
	struct scheduler *s = loss_arena_array(arena, struct scheduler, 1);
	if (!s)
		return NULL;
	*s = (struct scheduler){.threads = threads, .last = &s->first};
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->returned, NULL);
	if (pthread_create(&s->thread, NULL, compute, s) != 0)
		return NULL;
	await_team(s);
	return s;
}

void scheduler_stop(struct scheduler *scheduler)
{
	if (!scheduler)
		return;
	pthread_mutex_lock(&scheduler->mutex);
	scheduler->stopping = true;
	pthread_cond_signal(&scheduler->work);
	pthread_mutex_unlock(&scheduler->mutex);
	pthread_join(scheduler->thread, NULL);
	pthread_cond_destroy(&scheduler->work);
	pthread_cond_destroy(&scheduler->returned);
	pthread_mutex_destroy(&scheduler->mutex);
}

static bool lets_pass(const struct job *job, const struct job *next)
{
	return job->overtaken < SCHEDULER_OVERTAKEN_MAX && job->elements > next->elements &&
	       job->elements / SCHEDULER_OVERTAKES_FROM >= next->elements;
}

/* After the last one that does not let it pass. */
static void enqueue(struct scheduler *s, struct job *job)
{
	struct job **link = &s->first;
	for (struct job **at = link; *at; at = &(*at)->next)
		if (!lets_pass(*at, job))
			link = &(*at)->next;
	for (struct job *passed = *link; passed; passed = passed->next)
		passed->overtaken++;
	job->next = *link;
	job->overtaken = 0;
	*link = job;
	if (!job->next)
		s->last = &job->next;
}

void scheduler_submit(struct scheduler *scheduler, struct job *job)
{
	pthread_mutex_lock(&scheduler->mutex);
	job->queued = true;
	scheduler->depth++;
	enqueue(scheduler, job);
	pthread_cond_signal(&scheduler->work);
	pthread_mutex_unlock(&scheduler->mutex);
}

void scheduler_withdraw(struct scheduler *scheduler, struct job *job)
{
	pthread_mutex_lock(&scheduler->mutex);
	bool waits = job->queued;
	if (waits) {
		struct job **link = &scheduler->first;
		while (*link != job)
			link = &(*link)->next;
		*link = job->next;
		if (!*link)
			scheduler->last = link;
		job->queued = false;
		scheduler->depth--;
	}
	pthread_mutex_unlock(&scheduler->mutex);
	if (waits)
		job->done(job);
}

bool scheduler_send(struct scheduler *s, struct task *task)
{
	pthread_mutex_lock(&s->mutex);
	bool idle = !s->first && !s->task && !s->away && s->due_ns == 0;
	if (idle) {
		s->task = task;
		task->under_way = true;
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->mutex);
	return idle;
}

void scheduler_await(struct scheduler *s, struct task *task)
{
	pthread_mutex_lock(&s->mutex);
	bool waits = s->task == task;
	if (waits) {
		s->task = NULL;
		task->under_way = false;
	}
	while (task->under_way)
		pthread_cond_wait(&s->returned, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
	if (waits)
		task->run(task->context);
}

size_t scheduler_depth(struct scheduler *scheduler)
{
	pthread_mutex_lock(&scheduler->mutex);
	size_t depth = scheduler->depth;
	pthread_mutex_unlock(&scheduler->mutex);
	return depth;
}

bool scheduler_answers(struct scheduler *scheduler, uint64_t now_ns)
{
	pthread_mutex_lock(&scheduler->mutex);
	bool hangs = scheduler->due_ns != 0 && now_ns > scheduler->due_ns;
	pthread_mutex_unlock(&scheduler->mutex);
	return !hangs;
}
