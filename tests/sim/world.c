#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../server/eval/schedule.h"
#include "../../server/http/reaper.h"
#include "../support/random.h"

#define MS UINT64_C(1000000)
#define HOUR_MS UINT64_C(3600000)
#define NEVER UINT64_MAX
#define MOST 24 /* requests of a life */
#define SLICE_NS (10 * MS)
/* The reaper looks at clients this often. */
#define LOOK_NS (100 * MS)

/* In this order, but that a life may end at any of them. */
enum stage { TO_COME, RECEIVING, WAITING, RUNNING, ANSWERED };

struct ask {
	struct schedule_item item; /* the first member */
	enum stage stage;
	uint64_t comes_ns, whole_ns,
		leaves_ns;   /* when its head and its whole body are there; NEVER */
	uint64_t expires_ns; /* 0: no deadline */
	size_t bytes;
	uint64_t cost_ns, block_ns; /* estimated; what a block of it really takes */
	double slower;              /* than estimated */
	int fds[2];
	struct reaper_entry *entry;

	bool held, cancelled;
	uint64_t cancelled_ns, answered_ns, done_ns, slice_ns;
};

struct world {
	struct random random;
	bool trace;
	const char *broken;
	struct world_sums *sums;
	struct schedule schedule;
	struct loss_budget *budget;
	struct loss_arena *arena;
	struct reaper *reaper;
	uint64_t reaper_ns, slice_end_ns; /* when they are due */
	struct ask *running;
	unsigned passed; /* slices since who came first had one */
	uint64_t slice_start_ns, slice_done_ns, slice_cost_ns;
	size_t n;
	struct ask asks[MOST];
};

static uint64_t now_ns; /* the world's clock: the reaper's takes no argument */

static uint64_t clock_now(void)
{
	return now_ns;
}

static void say(const struct world *w, const struct ask *ask, const char *what)
{
	if (w->trace)
		printf("# %10.3f ms  %2zu %s (left %.3f ms; %zu wait, %.3f ms)\n",
		       (double)now_ns / 1e6, (size_t)(ask - w->asks), what,
		       (double)ask->item.left_ns / 1e6, w->schedule.waiting,
		       (double)w->schedule.waiting_ns / 1e6);
}

static void promise(struct world *w, bool kept, const char *what)
{
	if (!kept && !w->broken)
		w->broken = what;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* ---------------------------------------------------------------- the end of a request */

/* When it is to be answered at last, once its body is there: at its deadline and a block. */
static void judge_time(struct world *w, const struct ask *ask)
{
	uint64_t due = later(ask->expires_ns, ask->whole_ns) + ask->block_ns;
	promise(w, ask->expires_ns == 0 || now_ns <= due, "a deadline is answered in its bound");
	due = ask->leaves_ns == NEVER ? NEVER : ask->leaves_ns + LOOK_NS + ask->block_ns;
	promise(w, now_ns <= later(due, ask->whole_ns), "work for nobody ends");
}

static void answer(struct world *w, struct ask *ask, size_t *count, const char *what)
{
	say(w, ask, what);
	promise(w, ask->stage != ANSWERED, "no request is answered twice");
	judge_time(w, ask);
	ask->stage = ANSWERED;
	(*count)++;
	reaper_unwatch(w->reaper, ask->entry);
	reaper_reply(w->reaper, ask->entry, 100, 0);
	if (ask->held)
		loss_budget_give(w->budget, ask->bytes);
	ask->held = false;
	reaper_close(w->reaper, ask->entry);
	close(ask->fds[0]);
}

/* Nothing is left of it, or nobody wants it any more. */
static void end(struct world *w, struct ask *ask)
{
	if (ask->cancelled)
		answer(w, ask, now_ns >= ask->leaves_ns ? &w->sums->gone : &w->sums->late,
		       "is given up");
	else
		answer(w, ask, &w->sums->done, "is done");
}

/* ---------------------------------------------------------------- slices */

/* What was promised of the order, of what waits and the one that is taken. */
static void judge_choice(struct world *w, const struct ask *taken)
{
	bool least = true, oldest = true;
	for (size_t i = 0; i < w->n; i++) {
		const struct ask *ask = &w->asks[i];
		if (ask == taken || ask->stage != WAITING)
			continue;
		least &= taken->item.left_ns <= ask->item.left_ns;
		oldest &= taken->item.came_ns <= ask->item.came_ns;
	}
	promise(w, least || oldest, "the smallest goes first, or who came first");
	promise(w, least || w->passed == SCHEDULE_TURNS - 1,
		"who came first has no more than its share");
	w->passed = oldest ? 0 : w->passed + 1;
	promise(w, w->passed < SCHEDULE_TURNS, "who came first has its share");
}

/* Blocks are whole: a slice has one at least. */
static void begin_slice(struct world *w)
{
	struct schedule_item *item = schedule_take(&w->schedule);
	if (!item)
		return;
	struct ask *ask = w->running = (struct ask *)(void *)item;
	uint64_t block = (uint64_t)((double)ask->block_ns / ask->slower);
	block = block > 0 ? block : 1;
	uint64_t blocks = ask->slice_ns / block;
	uint64_t cost = later(blocks, 1) * block;
	promise(w, ask->stage == WAITING, "only what waits is run");
	judge_choice(w, ask);
	ask->stage = RUNNING;
	w->slice_cost_ns = cost < item->left_ns ? cost : item->left_ns;
	w->slice_start_ns = now_ns;
	w->slice_end_ns = now_ns + 1 + (uint64_t)((double)w->slice_cost_ns * ask->slower);
	w->sums->slices++;
	say(w, ask, "runs");
}

/* The running job's flag is seen at the end of its block. */
static void cut_slice(struct world *w)
{
	const struct ask *ask = w->running;
	uint64_t ran = now_ns - w->slice_start_ns, block = later(ask->block_ns, 1);
	uint64_t stop_ns = w->slice_start_ns + (ran / block + 1) * block;
	if (stop_ns < w->slice_end_ns)
		w->slice_end_ns = stop_ns;
}

static void end_slice(struct world *w)
{
	struct ask *ask = w->running;
	uint64_t took = now_ns - w->slice_start_ns;
	w->running = NULL;
	w->slice_end_ns = NEVER;
	ask->item.left_ns -= w->slice_cost_ns;
	ask->done_ns += w->slice_cost_ns;
	schedule_ran(&w->schedule, w->slice_cost_ns, took);
	ask->slice_ns = schedule_next_slice(ask->slice_ns, took, SLICE_NS);
	if (ask->cancelled || ask->item.left_ns == 0) {
		promise(w, ask->cancelled || ask->done_ns == ask->cost_ns, "all is done once");
		end(w, ask);
		return;
	}
	ask->stage = WAITING;
	schedule_put_back(&w->schedule, &ask->item);
}

/* ---------------------------------------------------------------- the queue */

static size_t not_begun(const struct world *w, uint64_t *cost_ns)
{
	size_t n = 0;
	*cost_ns = 0;
	for (size_t i = 0; i < w->n; i++) {
		const struct schedule_item *item = &w->asks[i].item;
		if (w->asks[i].stage != WAITING || item->begun)
			continue;
		n++;
		*cost_ns += item->left_ns;
	}
	return n;
}

static void note_newcomer(struct world *w, const struct ask *newcomer)
{
	if (newcomer->stage == WAITING && w->running &&
	    newcomer->cost_ns < w->running->item.left_ns)
		w->sums->passed++;
}

static void judge_refusal(struct world *w, const struct ask *ask,
			  const struct schedule_refusal *refusal)
{
	const struct schedule_limits *limits = &w->schedule.limits;
	uint64_t cost_ns;
	size_t n = not_begun(w, &cost_ns);
	promise(w,
		refusal->by_cost ? n > 0 && cost_ns + ask->cost_ns > limits->cost_ns
				 : n >= limits->length,
		"only what has no room is refused");
	promise(w, refusal->waiting == n && refusal->waiting_ns == cost_ns, "a refusal is true");
	promise(w,
		refusal->retry_s >= SCHEDULE_RETRY_MIN_S &&
			refusal->retry_s <= SCHEDULE_RETRY_MAX_S,
		"it says when to come again");
}

static void enqueue(struct world *w, struct ask *ask)
{
	struct schedule_refusal refusal;
	ask->item.left_ns = ask->cost_ns;
	if (!schedule_add(&w->schedule, &ask->item, now_ns, &refusal)) {
		judge_refusal(w, ask, &refusal);
		answer(w, ask, &w->sums->full, "finds the queue full");
		return;
	}
	ask->stage = WAITING;
	ask->slice_ns = SLICE_NS;
	reaper_compute(w->reaper, ask->entry);
	note_newcomer(w, ask);
	say(w, ask, "waits");
}

/* ---------------------------------------------------------------- what the reaper says */

static struct world *world; /* the reaper's notices have the request only */

static void notice(void *context, enum reaper_event event)
{
	struct ask *ask = (struct ask *)context;
	(void)event;
	if (ask->cancelled)
		return;
	ask->cancelled = true;
	ask->cancelled_ns = now_ns;
	if (ask == world->running)
		cut_slice(world);
}

/* What waits is taken out where the reaper's mutex is not held: the answer asks it again. */
static void withdraw(struct world *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct ask *ask = &w->asks[i];
		if (ask->cancelled && ask->stage == WAITING) {
			promise(w, schedule_remove(&w->schedule, &ask->item), "none is lost");
			end(w, ask);
		}
	}
}

/* ---------------------------------------------------------------- clients */

static void come(struct world *w, struct ask *ask)
{
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ask->fds) != 0) {
		promise(w, false, "(no sockets)");
		return;
	}
	ask->stage = RECEIVING;
	ask->entry = reaper_open(w->reaper, ask->fds[0]);
	reaper_head(w->reaper, ask->entry);
	const struct reaper_watch watch = {
		.expires_ns = ask->expires_ns, .notice = notice, .context = ask};
	reaper_watch(w->reaper, ask->entry, &watch);
	reaper_body(w->reaper, ask->entry);
	ask->held = loss_budget_take(w->budget, ask->bytes);
	say(w, ask, ask->held ? "comes" : "finds no memory");
}

/* Its body is there. */
static void complete(struct world *w, struct ask *ask)
{
	reaper_whole(w->reaper, ask->entry);
	if (ask->cancelled)
		end(w, ask);
	else if (!ask->held)
		answer(w, ask, &w->sums->no_memory, "is refused for memory");
	else
		enqueue(w, ask);
}

static void leave(struct ask *ask)
{
	if (ask->fds[1] >= 0)
		close(ask->fds[1]);
	ask->fds[1] = -1;
}

/* When something happens next with one of them. */
static uint64_t next_of(const struct ask *ask)
{
	if (ask->stage == TO_COME)
		return ask->comes_ns;
	uint64_t leaves = ask->fds[1] >= 0 && ask->stage != ANSWERED ? ask->leaves_ns : NEVER;
	return ask->stage == RECEIVING && ask->whole_ns < leaves ? ask->whole_ns : leaves;
}

static void step_client(struct world *w, struct ask *ask)
{
	if (next_of(ask) > now_ns)
		return;
	if (ask->stage == TO_COME)
		come(w, ask);
	else if (ask->stage == RECEIVING && ask->whole_ns <= now_ns)
		complete(w, ask);
	else
		leave(ask);
}

/* ---------------------------------------------------------------- a life */

/* From one to `most`, small ones as often as large ones. */
static uint64_t spread(struct random *random, uint64_t most)
{
	double bits = random_uniform(random, 0, 64 - (double)__builtin_clzll(most));
	uint64_t n = UINT64_C(1) << (int)bits;
	n += random_bits(random) % n;
	return n < most ? n : most;
}

static void draw_ask(struct world *w, struct ask *ask)
{
	struct random *random = &w->random;
	*ask = (struct ask){.fds = {-1, -1}, .leaves_ns = NEVER};
	ask->comes_ns = now_ns + random_bits(random) % (2000 * MS);
	ask->whole_ns = ask->comes_ns + spread(random, 200 * MS);
	ask->cost_ns = spread(random, 2000 * MS);
	ask->slower = random_chance(random, 0.1) ? random_uniform(random, 1, 20)
						 : random_uniform(random, 0.2, 2);
	ask->block_ns = 1 + spread(random, random_chance(random, 0.1) ? 50 * MS : MS);
	ask->bytes = 1 + (size_t)spread(random, 1 << 20);
	if (random_chance(random, 0.3))
		ask->expires_ns = ask->comes_ns + spread(random, 2000 * MS);
	if (random_chance(random, 0.15))
		ask->leaves_ns = ask->whole_ns + spread(random, 1000 * MS);
}

static bool draw(struct world *w, const struct config *config)
{
	const struct schedule_limits limits = {1 + random_below(&w->random, 8),
					       spread(&w->random, 4000 * MS)};
	schedule_start(&w->schedule, &limits);
	w->n = 1 + random_below(&w->random, MOST);
	for (size_t i = 0; i < w->n; i++)
		draw_ask(w, &w->asks[i]);
	w->budget = loss_budget_create((size_t)1 << (18 + random_below(&w->random, 5)));
	w->arena = loss_arena_create(NULL);
	w->reaper = w->arena ? reaper_create(w->arena, config, NULL, MOST, clock_now) : NULL;
	return w->budget && w->reaper;
}

static uint64_t next_moment(const struct world *w)
{
	uint64_t next = w->reaper_ns < w->slice_end_ns ? w->reaper_ns : w->slice_end_ns;
	for (size_t i = 0; i < w->n; i++)
		next = next_of(&w->asks[i]) < next ? next_of(&w->asks[i]) : next;
	return next;
}

static void judge_moment(struct world *w)
{
	const struct schedule *s = &w->schedule;
	uint64_t cost_ns;
	size_t held = 0, n = not_begun(w, &cost_ns);
	for (size_t i = 0; i < w->n; i++)
		held += w->asks[i].held ? w->asks[i].bytes : 0;
	promise(w, loss_budget_held(w->budget) == held && held <= loss_budget_limit(w->budget),
		"the budget is held to");
	promise(w, s->waiting == n && s->waiting_ns == cost_ns, "what waits is counted");
	promise(w, n <= s->limits.length && (n <= 1 || cost_ns <= s->limits.cost_ns),
		"the queue is bounded");
	promise(w, w->running || !s->first, "nobody waits for nothing");
}

static bool is_over(const struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->asks[i].stage != ANSWERED)
			return false;
	return true;
}

/* All that happens at this moment, in the order: clients, deadlines, the compute thread. */
static void step(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		step_client(w, &w->asks[i]);
	do {
		w->reaper_ns = reaper_step(w->reaper);
		withdraw(w);
	} while (w->reaper_ns <= now_ns);
	if (w->running && w->slice_end_ns <= now_ns)
		end_slice(w);
	if (!w->running)
		begin_slice(w);
	judge_moment(w);
}

static void bury(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		leave(&w->asks[i]);
	if (w->reaper)
		reaper_destroy(w->reaper);
	loss_arena_destroy(w->arena);
	loss_budget_destroy(w->budget);
}

const char *world_live(uint64_t seed, bool trace, struct world_sums *sums)
{
	static const struct config config = {.head_timeout_ms = HOUR_MS,
					     .body_timeout_ms = HOUR_MS,
					     .reply_timeout_ms = HOUR_MS,
					     .idle_timeout_ms = HOUR_MS};
	static struct world w;
	w = (struct world){.random = {.state = seed, .seed = seed},
			   .trace = trace,
			   .sums = sums,
			   .slice_end_ns = NEVER};
	world = &w;
	now_ns = 1000 * MS;
	w.reaper_ns = NEVER;
	promise(&w, draw(&w, &config), "(no memory)");
	sums->requests += w.n;
	while (!w.broken && !is_over(&w)) {
		uint64_t next = next_moment(&w);
		promise(&w, next != NEVER, "nobody waits for ever");
		now_ns = later(now_ns, next);
		if (!w.broken)
			step(&w);
	}
	if (!w.broken)
		promise(&w, reaper_connections(w.reaper) == 0 && !w.schedule.first,
			"nothing is left");
	bury(&w);
	return w.broken;
}
