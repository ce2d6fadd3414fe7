#include "scheduler.h"

#include <pthread.h>
#include <stdatomic.h>

#include "os/clock.h"

struct scheduler {
	int threads;
	pthread_t thread;
	/* Guards all below, the items and withdrawn of the jobs. */
	pthread_mutex_t mutex;
	pthread_cond_t work, ready;
	bool has_team, stopping;
	struct schedule schedule;
	uint64_t due_ns; /* when the slice that runs should long have ended; 0: none runs */
};

static struct job *job_of(struct schedule_item *item)
{
	return (struct job *)(void *)item; /* its first member */
}

static void make_team(int threads)
{
	atomic_int members = 0;
#pragma omp parallel num_threads(threads)
	atomic_fetch_add(&members, 1);
}

/* Without the mutex. True: there is more to do of the job, which is gone else. */
static bool run_slice(struct scheduler *s, struct job *job, uint64_t *done_ns, uint64_t *ns)
{
	uint64_t start = clock_ns(), left = job->item.left_ns;
	bool more = job->run(job, s->threads, job->slice_ns);
	*ns = clock_ns() - start;
	*done_ns = more ? left - job->item.left_ns : left;
	if (!more)
		job->done(job);
	else
		job->slice_ns = schedule_next_slice(job->slice_ns, *ns, SCHEDULER_SLICE_NS);
	return more;
}

static void run_job(struct scheduler *s)
{
	struct job *job = job_of(schedule_take(&s->schedule));
	uint64_t done_ns, ns;
	if (job->slice_ns == 0)
		job->slice_ns = SCHEDULER_SLICE_NS * (uint64_t)s->threads;
	s->due_ns = clock_ns() + SCHEDULER_PATIENCE_NS + job->slice_ns * SCHEDULER_SLOWER;
	pthread_mutex_unlock(&s->mutex);
	bool more = run_slice(s, job, &done_ns, &ns);
	pthread_mutex_lock(&s->mutex);
	s->due_ns = 0;
	schedule_ran(&s->schedule, done_ns, ns);
	if (more && !job->withdrawn) {
		schedule_put_back(&s->schedule, &job->item);
	} else if (more) {
		pthread_mutex_unlock(&s->mutex);
		job->done(job);
		pthread_mutex_lock(&s->mutex);
	}
}

static void *compute(void *context)
{
	struct scheduler *s = (struct scheduler *)context;
	make_team(s->threads);

	pthread_mutex_lock(&s->mutex);
	s->has_team = true;
	pthread_cond_broadcast(&s->ready);
	while (s->schedule.first || !s->stopping) {
		if (s->schedule.first)
			run_job(s);
		else
			pthread_cond_wait(&s->work, &s->mutex);
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
		pthread_cond_wait(&s->ready, &s->mutex);
	pthread_mutex_unlock(&s->mutex);
}

struct scheduler *scheduler_start(struct loss_arena *arena, const struct scheduler_setup *setup)
{
	struct scheduler *s = loss_arena_array(arena, struct scheduler, 1);
	if (!s)
		return NULL;
	*s = (struct scheduler){.threads = setup->threads};
	schedule_start(&s->schedule, &setup->limits);
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->ready, NULL);
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
	pthread_cond_destroy(&scheduler->ready);
	pthread_mutex_destroy(&scheduler->mutex);
}

bool scheduler_submit(struct scheduler *scheduler, struct job *job,
		      struct schedule_refusal *refusal)
{
	pthread_mutex_lock(&scheduler->mutex);
	bool withdrawn = job->withdrawn;
	bool taken =
		withdrawn || schedule_add(&scheduler->schedule, &job->item, clock_ns(), refusal);
	if (taken && !withdrawn)
		pthread_cond_signal(&scheduler->work);
	pthread_mutex_unlock(&scheduler->mutex);
	if (withdrawn)
		job->done(job);
	return taken;
}

void scheduler_withdraw(struct scheduler *scheduler, struct job *job)
{
	pthread_mutex_lock(&scheduler->mutex);
	bool waited = schedule_remove(&scheduler->schedule, &job->item);
	job->withdrawn = true;
	pthread_mutex_unlock(&scheduler->mutex);
	if (waited)
		job->done(job);
}

struct scheduler_load scheduler_load(struct scheduler *scheduler)
{
	pthread_mutex_lock(&scheduler->mutex);
	const struct schedule *schedule = &scheduler->schedule;
	struct scheduler_load load = {schedule->waiting, schedule->waiting_ns};
	pthread_mutex_unlock(&scheduler->mutex);
	return load;
}

bool scheduler_answers(struct scheduler *scheduler, uint64_t now_ns)
{
	pthread_mutex_lock(&scheduler->mutex);
	bool hangs = scheduler->due_ns != 0 && now_ns > scheduler->due_ns;
	pthread_mutex_unlock(&scheduler->mutex);
	return !hangs;
}
