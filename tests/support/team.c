#include "team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <stdatomic.h>

#include "plan.h"
#include "random.h"

#define PATIENCE_MS 20000

static struct {
	atomic_size_t number, wanted, came;
} meeting;

/* The last meeting that this thread was at. */
static _Thread_local size_t attended;

void meeting_open(size_t wanted)
{
	atomic_fetch_add(&meeting.number, 1);
	atomic_store(&meeting.wanted, wanted);
	atomic_store(&meeting.came, 0);
}

void meeting_attend(void)
{
	size_t number = atomic_load(&meeting.number);
	if (attended == number)
		return;
	attended = number;
	atomic_fetch_add(&meeting.came, 1);
	for (int i = 0;
	     i < PATIENCE_MS && atomic_load(&meeting.came) < atomic_load(&meeting.wanted); i++)
		poll(NULL, 0, 1);
	/* Those that come later need not wait for who did not come in time. */
	if (atomic_load(&meeting.came) < atomic_load(&meeting.wanted))
		atomic_store(&meeting.wanted, 0);
}

size_t meeting_came(void)
{
	return atomic_load(&meeting.came);
}

/* ---------------------------------------------------------------- plans */

/* The kernel of the plan that runs. */
static const struct loss_row *real;

static void meet_and_run(const struct loss_plan *plan, size_t first, size_t n,
			 struct partial *partial)
{
	if (plan->team <= 1) /* else its threads are in the rows */
		meeting_attend();
	real->rows(plan, first, n, partial);
}

size_t team_run(struct eval *eval, int threads)
{
	struct loss_plan *plan = eval->plan;
#ifdef _OPENMP
	size_t team = threads > 1 ? (size_t)threads : 1;
#else
	size_t team = 1;
#endif
	size_t blocks = loss_plan_blocks(plan);
	struct loss_row attended_row = *plan->loss;
	attended_row.rows = meet_and_run;
	real = plan->loss;
	plan->loss = &attended_row;
	plan->nanoseconds = HUGE_VAL; /* worth a team */
	meeting_open(blocks < team ? blocks : team);
	loss_status status = loss_plan_run(plan, threads, NULL, &eval->error);
	plan->loss = real;
	require(status == LOSS_OK, "%s: %s", eval->info->name, eval->error.detail);
	loss_plan_finish(plan, &eval->result);
	size_t wanted = plan->team > 1 ? 0 : blocks < team ? blocks : team;
	require(meeting_came() == wanted, "%zu blocks, %d threads: %zu came instead of %zu", blocks,
		threads, meeting_came(), wanted);
	return meeting_came();
}
