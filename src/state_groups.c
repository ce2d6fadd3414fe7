#include "state_groups.h"

/* ---------------------------------------------------------------- one */

static unsigned char *put_count(unsigned char *to, uint64_t count)
{
	for (size_t i = 0; i < sizeof count; i++)
		to[i] = (unsigned char)(count >> 8 * i);
	return to + sizeof count;
}

static uint64_t count_at(const unsigned char *at)
{
	uint64_t count = 0;
	for (size_t i = 0; i < sizeof count; i++)
		count |= (uint64_t)at[i] << 8 * i;
	return count;
}

size_t state_group_write(const struct state_group *group, unsigned char *to)
{
	unsigned char *begin = to;
	to = put_count(to, group->index);
	to = put_count(to, group->counted);
	to += exact_sum_write(&group->loss, to);
	to += exact_sum_write(&group->denominator, to);
	return (size_t)(to - begin);
}

#define COUNTS (2 * sizeof(uint64_t))

size_t state_group_read(struct state_group *group, const unsigned char *bytes, size_t size)
{
	if (size < COUNTS)
		return 0;
	group->index = count_at(bytes);
	group->counted = count_at(bytes + COUNTS / 2);
	size_t loss = exact_sum_read(&group->loss, bytes + COUNTS, size - COUNTS);
	size_t at = COUNTS + loss;
	if (loss == 0)
		return 0;
	size_t denominator = exact_sum_read(&group->denominator, bytes + at, size - at);
	return denominator ? at + denominator : 0;
}

/* ---------------------------------------------------------------- all */

/* No more than so many numbers come to. */
static bool is_sum_of(const struct exact_sum *sum, uint64_t rows)
{
	return exact_sum_bits(sum) <= 2098 + 64 - (unsigned)__builtin_clzll(rows);
}

bool state_groups_are_right(const struct state_groups *groups, uint64_t counted)
{
	struct state_group group;
	uint64_t next = 0;
	for (size_t at = 0, n; at < groups->size; at += n) {
		n = state_group_read(&group, groups->bytes + at, groups->size - at);
		if (n == 0 || group.index < next || group.index >= groups->n ||
		    group.counted == 0 || group.counted > counted ||
		    !is_sum_of(&group.loss, group.counted) ||
		    !is_sum_of(&group.denominator, group.counted))
			return false;
		counted -= group.counted;
		next = group.index + 1;
	}
	return groups->n <= STATE_MOST_GROUPS;
}

/* The groups of a state, one after the other. */
struct walk {
	struct state_group group;
	const unsigned char *at, *end;
	bool some; /* `group` is one */
};

static void step(struct walk *walk)
{
	size_t n = state_group_read(&walk->group, walk->at, (size_t)(walk->end - walk->at));
	walk->some = n > 0;
	walk->at += n;
}

static struct walk walk_of(const struct state_groups *groups)
{
	struct walk walk = {.at = groups->bytes, .end = groups->bytes + groups->size};
	step(&walk);
	return walk;
}

static bool append(struct loss_buffer *to, const struct state_group *group)
{
	unsigned char bytes[STATE_GROUP_BYTES];
	return loss_buffer_append(to, bytes, state_group_write(group, bytes));
}

bool state_groups_merge(const struct state_groups *a, const struct state_groups *b,
			struct loss_buffer *to)
{
	struct walk first = walk_of(a), second = walk_of(b);
	bool done = true;
	while (done && (first.some || second.some)) {
		bool from_first =
			first.some && (!second.some || first.group.index <= second.group.index);
		bool from_second =
			second.some && (!first.some || second.group.index <= first.group.index);
		struct state_group *group = from_first ? &first.group : &second.group;
		if (from_first && from_second) {
			group->counted += second.group.counted;
			exact_sum_merge(&group->loss, &second.group.loss);
			exact_sum_merge(&group->denominator, &second.group.denominator);
		}
		done = append(to, group);
		if (from_first)
			step(&first);
		if (from_second)
			step(&second);
	}
	return done;
}
