#include "schedule.h"

/* How much of the past the rate remembers. */
#define RATE_NS 1e9

static uint64_t add(uint64_t a, uint64_t b)
{
	return a < UINT64_MAX - b ? a + b : UINT64_MAX;
}

static bool goes_before(const struct schedule_item *item, const struct schedule_item *other)
{
	return item->left_ns < other->left_ns ||
	       (item->left_ns == other->left_ns && item->came_ns < other->came_ns);
}

void schedule_start(struct schedule *schedule, const struct schedule_limits *limits)
{
	*schedule = (struct schedule){.limits = *limits, .rate = 1.0};
}

static void insert(struct schedule *schedule, struct schedule_item *item)
{
	struct schedule_item **link = &schedule->first;
	while (*link && !goes_before(item, *link))
		link = &(*link)->next;
	item->next = *link;
	item->queued = true;
	*link = item;
}

static void count(struct schedule *schedule, const struct schedule_item *item, bool more)
{
	if (item->begun)
		return;
	schedule->waiting += more ? 1 : (size_t)-1;
	schedule->waiting_ns += more ? item->left_ns : 0 - item->left_ns;
}

static unsigned retry_seconds(const struct schedule *schedule)
{
	double seconds = (double)schedule->waiting_ns / schedule->rate * 1e-9;
	if (!(seconds < SCHEDULE_RETRY_MAX_S - 1))
		return SCHEDULE_RETRY_MAX_S;
	return SCHEDULE_RETRY_MIN_S + (unsigned)seconds;
}

bool schedule_add(struct schedule *schedule, struct schedule_item *item, uint64_t now_ns,
		  struct schedule_refusal *refusal)
{
	bool idle = !schedule->first && !schedule->running;
	bool by_length = schedule->waiting >= schedule->limits.length;
	bool by_cost = schedule->waiting > 0 &&
		       add(schedule->waiting_ns, item->left_ns) > schedule->limits.cost_ns;
	*refusal = (struct schedule_refusal){
		.by_cost = !by_length,
		.waiting = schedule->waiting,
		.waiting_ns = schedule->waiting_ns,
		.retry_s = retry_seconds(schedule),
	};
	if (by_length || by_cost)
		return false;
	item->came_ns = now_ns;
	item->begun = idle; /* as good as: it is taken in a moment */
	count(schedule, item, true);
	insert(schedule, item);
	return true;
}

static void take_out(struct schedule *schedule, struct schedule_item **link)
{
	struct schedule_item *item = *link;
	*link = item->next;
	item->queued = false;
	count(schedule, item, false);
}

static struct schedule_item **find_oldest(struct schedule *schedule)
{
	struct schedule_item **oldest = &schedule->first;
	for (struct schedule_item **at = oldest; *at; at = &(*at)->next)
		if ((*at)->came_ns < (*oldest)->came_ns)
			oldest = at;
	return oldest;
}

struct schedule_item *schedule_take(struct schedule *schedule)
{
	struct schedule_item **oldest = find_oldest(schedule), **next = &schedule->first;
	if (!*next)
		return NULL;
	bool its_turn = oldest == next || schedule->passed == SCHEDULE_TURNS - 1;
	schedule->passed = its_turn ? 0 : schedule->passed + 1;
	struct schedule_item *item = its_turn ? *oldest : *next;
	take_out(schedule, its_turn ? oldest : next);
	item->begun = true;
	schedule->running = true;
	return item;
}

void schedule_ran(struct schedule *schedule, uint64_t done_ns, uint64_t ns)
{
	double took = (double)(ns > 0 ? ns : 1), rate = (double)done_ns / took;
	schedule->running = false;
	schedule->rate += (rate - schedule->rate) * (took / (took + RATE_NS));
	if (!(schedule->rate > 1e-6))
		schedule->rate = 1e-6;
}

void schedule_put_back(struct schedule *schedule, struct schedule_item *item)
{
	insert(schedule, item);
}

bool schedule_remove(struct schedule *schedule, struct schedule_item *item)
{
	struct schedule_item **link = &schedule->first;
	if (!item->queued)
		return false;
	while (*link != item)
		link = &(*link)->next;
	take_out(schedule, link);
	return true;
}

uint64_t schedule_next_slice(uint64_t slice_ns, uint64_t ns, uint64_t wanted_ns)
{
	double times = (double)wanted_ns / (double)(ns > 0 ? ns : 1);
	double next = (double)slice_ns * (times < 2.0 ? times : 2.0);
	return next < 1.0 ? 1 : next < 0x1p62 ? (uint64_t)next : UINT64_C(1) << 62;
}
