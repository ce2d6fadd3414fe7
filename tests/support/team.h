/*
 * Whether a plan was evaluated by more than one thread: by who came, not by how long it took. Each
 * thread that enters the kernel of an attended plan waits for the others, so that nobody does all
 * the work before they wake up.
 */
#ifndef TESTS_TEAM_H
#define TESTS_TEAM_H

#include "eval.h"

/* Another thread than all that came since the last meeting_open is counted, and waits until there
 * are so many; or for long, when they do not come. */
void meeting_open(size_t wanted);
void meeting_attend(void);
/* How many came. */
size_t meeting_came(void);

/*
 * loss_plan_run and loss_plan_finish of a plan that was made by eval_plan, by a team of `threads`,
 * whose members meet. Fails the test when a problem of several blocks was not shared by as many
 * threads as there are, or blocks; returns how many came: none where threads share each row, which
 * is how eval->plan->team says that they did. Without OpenMP it is one.
 */
size_t team_run(struct eval *eval, int threads);

#endif
