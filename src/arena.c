#include "arena.h"
#include "mapping.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT ((size_t)64)
#define PAGE ((size_t)4096)
#define BLOCK_BYTES ((size_t)16384)
/* From here on memory comes as pages of its own: it grows by remapping and goes back to the system
 * when freed. */
#define MAPPED_BYTES ((size_t)1 << 18)

struct block {
	_Alignas(64) struct block *next;
	size_t size; /* with this header */
	size_t used;
	void *memory; /* what malloc gave, at most an alignment before; NULL for a mapping */
};

enum failure { FAILURE_NONE, FAILURE_TOO_LARGE, FAILURE_BUDGET, FAILURE_SYSTEM };

struct loss_arena {
	struct loss_budget *budget;
	struct block *blocks; /* the first one is being filled */
	struct buffer *buffers;
	size_t held;
	size_t wanted; /* bytes of the allocation that failed */
	enum failure failure;
};

static bool fail(struct loss_arena *arena, enum failure failure, size_t wanted)
{
	arena->failure = failure;
	arena->wanted = wanted;
	return false;
}

/* ---------------------------------------------------------------- the budget */

struct loss_budget *loss_budget_create(size_t limit_bytes)
{
	struct loss_budget *budget = calloc(1, sizeof *budget);
	if (budget)
		budget->limit = limit_bytes;
	return budget;
}

void loss_budget_destroy(struct loss_budget *budget)
{
	if (budget)
		loss_budget_trim(budget);
	free(budget);
}

size_t loss_budget_limit(const struct loss_budget *budget)
{
	return budget->limit;
}

size_t loss_budget_held(const struct loss_budget *budget)
{
	return atomic_load_explicit(&budget->held, memory_order_relaxed);
}

/* What is only kept gives way to what is needed. */
static void make_way(struct loss_budget *budget, size_t n)
{
	size_t kept = atomic_load_explicit(&budget->kept_bytes, memory_order_relaxed);
	size_t held = atomic_load_explicit(&budget->held, memory_order_relaxed);
	if (kept > 0 && (held > budget->limit - kept || n > budget->limit - kept - held))
		loss_budget_trim(budget);
}

bool loss_budget_take(struct loss_budget *budget, size_t n)
{
	make_way(budget, n);
	size_t held = atomic_load_explicit(&budget->held, memory_order_relaxed);
	do {
		if (held > budget->limit || n > budget->limit - held)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(
		&budget->held, &held, held + n, memory_order_relaxed, memory_order_relaxed));
	return true;
}

void loss_budget_give(struct loss_budget *budget, size_t n)
{
	atomic_fetch_sub_explicit(&budget->held, n, memory_order_relaxed);
}

/* ---------------------------------------------------------------- the arena */

/* Charges n bytes to the budget, or says why not. */
static bool charge(struct loss_arena *arena, size_t n)
{
	struct loss_budget *budget = arena->budget;
	size_t total;
	if (__builtin_add_overflow(arena->held, n, &total))
		return fail(arena, FAILURE_TOO_LARGE, n);
	if (budget && total > budget->limit)
		return fail(arena, FAILURE_TOO_LARGE, n);
	if (budget && !loss_budget_take(budget, n))
		return fail(arena, FAILURE_BUDGET, n);
	arena->held = total;
	return true;
}

static void refund(struct loss_arena *arena, size_t n)
{
	arena->held -= n;
	if (arena->budget)
		loss_budget_give(arena->budget, n);
}

/* n rounded up to a multiple of a power of two; 0 when that overflows. */
static size_t round_up(size_t n, size_t multiple)
{
	return n > SIZE_MAX - multiple ? 0 : (n + multiple - 1) & ~(multiple - 1);
}

/* Faster than aligned_alloc, which gives the ends that it cuts off back as chunks of
 * their own. Like malloc's header, the room for aligning is not charged. */
static struct block *allocate(size_t size, void **memory)
{
	unsigned char *bytes = malloc(size + ALIGNMENT);
	*memory = bytes;
	return bytes ? (struct block *)(void *)(bytes + (-(uintptr_t)bytes & (ALIGNMENT - 1)))
		     : NULL;
}

/* gcc's analyzer does not see that an aligned block still knows its memory. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static struct block *block_create(struct loss_arena *arena, size_t payload)
{
	size_t size =
		payload > SIZE_MAX - sizeof(struct block) ? 0 : payload + sizeof(struct block);
	size = round_up(size < BLOCK_BYTES ? (size ? BLOCK_BYTES : 0) : size, PAGE);
	if (size == 0) {
		fail(arena, FAILURE_TOO_LARGE, payload);
		return NULL;
	}
	if (!charge(arena, size))
		return NULL;
	size_t got = size;
	void *memory = NULL;
	struct block *block = size >= MAPPED_BYTES ? mapping_create(arena->budget, &got)
						   : allocate(size, &memory);
	if (!block) {
		refund(arena, size);
		fail(arena, FAILURE_SYSTEM, payload);
		return NULL;
	}
	if (got > size && !charge(arena, got - size)) {
		mapping_destroy(arena->budget, block, got);
		refund(arena, size);
		return NULL;
	}
	*block = (struct block){.size = got, .used = sizeof *block, .memory = memory};
	return block;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

static void block_destroy(struct loss_budget *budget, struct block *block)
{
	if (block->memory)
		free(block->memory);
	else
		mapping_destroy(budget, block, block->size);
}

struct loss_arena *loss_arena_create(struct loss_budget *budget)
{
	struct loss_arena start = {.budget = budget};
	struct block *block = block_create(&start, sizeof start);
	if (!block)
		return NULL;
	/* The arena lives in its own first block. */
	struct loss_arena *arena = (struct loss_arena *)(block + 1);
	*arena = start;
	arena->blocks = block;
	block->used += round_up(sizeof *arena, ALIGNMENT);
	return arena;
}

void loss_arena_destroy(struct loss_arena *arena)
{
	if (!arena)
		return;
	loss_arena_release_buffers(arena);
	struct block *block = arena->blocks;
	struct loss_budget *budget = arena->budget;
	refund(arena, arena->held);
	while (block) {
		struct block *next = block->next;
		block_destroy(budget, block);
		block = next;
	}
}

void *loss_arena_alloc(struct loss_arena *arena, size_t n, size_t size)
{
	size_t bytes;
	if (!size_multiply(n, size, &bytes) || (bytes && !round_up(bytes, ALIGNMENT))) {
		fail(arena, FAILURE_TOO_LARGE, SIZE_MAX);
		return NULL;
	}
	bytes = round_up(bytes, ALIGNMENT);
	struct block *block = arena->blocks;
	if (bytes > block->size - block->used) {
		block = block_create(arena, bytes);
		if (!block)
			return NULL;
		/* A block that this allocation fills goes after the one being filled. */
		bool full = block->size - block->used - bytes < BLOCK_BYTES / 2;
		block->next = full ? arena->blocks->next : arena->blocks;
		*(full ? &arena->blocks->next : &arena->blocks) = block;
	}
	void *memory = (unsigned char *)block + block->used;
	block->used += bytes;
	return memory;
}

char *arena_strdup(struct loss_arena *arena, const char *text)
{
	size_t n = strlen(text) + 1;
	char *copy = loss_arena_array(arena, char, n);
	return copy ? memcpy(copy, text, n) : NULL;
}

char *loss_arena_printf(struct loss_arena *arena, const char *format, ...)
{
	va_list args, again;
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	char *text = n < 0 ? NULL : loss_arena_array(arena, char, (size_t)n + 1);
	if (text)
		vsnprintf(text, (size_t)n + 1, format, again);
	va_end(again);
	return text;
}

loss_status loss_arena_failure(const struct loss_arena *arena, struct loss_error *err)
{
	size_t limit = arena->budget ? arena->budget->limit : SIZE_MAX;
	switch (arena->failure) {
	case FAILURE_TOO_LARGE:
		return loss_fail(
			err, LOSS_TOO_LARGE_FOR_BUDGET, NULL,
			"more is needed than the whole memory budget of %zu bytes; split the batch",
			limit);
	case FAILURE_BUDGET:
		return loss_fail(
			err, LOSS_TOO_MUCH_MEMORY_IN_FLIGHT, NULL,
			"no room for %zu more bytes: what is in flight holds the memory budget of "
			"%zu bytes; try again",
			arena->wanted, limit);
	default:
		return loss_fail(err, LOSS_OUT_OF_MEMORY, NULL,
				 "the system has no memory for %zu more bytes", arena->wanted);
	}
}

size_t loss_arena_held(const struct loss_arena *arena)
{
	return arena->held;
}

/* ---------------------------------------------------------------- buffers */

/* What a buffer is inside; callers see its first member. */
struct buffer {
	struct loss_buffer shown;
	struct buffer *next; /* the arena's list */
	bool mapped;
};

static struct buffer *inside(struct loss_buffer *buffer)
{
	return (struct buffer *)(void *)buffer;
}

struct loss_buffer *loss_buffer_create(struct loss_arena *arena)
{
	struct buffer *buffer = loss_arena_array(arena, struct buffer, 1);
	if (!buffer)
		return NULL;
	*buffer = (struct buffer){.shown.arena = arena, .next = arena->buffers};
	arena->buffers = buffer;
	return &buffer->shown;
}

bool buffer_is_mapped(const struct loss_buffer *buffer)
{
	return ((const struct buffer *)(const void *)buffer)->mapped;
}

/* Small buffers double; mapped ones grow by an eighth, since that costs no copy. 0 on overflow. */
static size_t grown_capacity(const struct buffer *buffer, size_t needed)
{
	size_t capacity = buffer->shown.capacity;
	size_t step = buffer->mapped ? capacity / 8 : capacity;
	capacity = capacity > SIZE_MAX - step ? needed : capacity + step;
	return round_up(capacity < needed ? needed : capacity, needed < PAGE ? ALIGNMENT : PAGE);
}

/* A mapping of at least *capacity bytes that are already paid for; one that was kept may be larger,
 * if that can be paid for too. */
static void *map_data(struct loss_arena *arena, size_t *capacity)
{
	size_t got = *capacity;
	void *pages = mapping_create(arena->budget, &got);
	if (pages && got > *capacity && !charge(arena, got - *capacity)) {
		mapping_destroy(arena->budget, pages, got);
		return mapping_create(NULL, capacity);
	}
	*capacity = got;
	return pages;
}

/* Moves to *capacity bytes, or more, that are paid for; NULL leaves the buffer as it was. */
static unsigned char *move_data(struct buffer *buffer, size_t *capacity, bool mapped)
{
	struct loss_buffer *shown = &buffer->shown;
	if (buffer->mapped)
		return mapping_grow(shown->data, shown->capacity, *capacity);
	unsigned char *data =
		mapped ? map_data(buffer->shown.arena, capacity) : realloc(shown->data, *capacity);
	if (data && mapped) {
		if (shown->size)
			memcpy(data, shown->data, shown->size); /* once, at 256 KiB */
		free(shown->data);
	}
	return data;
}

/* Makes the capacity what is asked for, if it can be paid for. */
static bool grow(struct buffer *buffer, size_t capacity)
{
	struct loss_arena *arena = buffer->shown.arena;
	assert(capacity > buffer->shown.capacity);
	size_t growth = capacity - buffer->shown.capacity;
	if (!charge(arena, growth))
		return false;
	bool mapped = capacity >= MAPPED_BYTES;
	unsigned char *data = move_data(buffer, &capacity, mapped);
	if (!data) {
		refund(arena, growth);
		return fail(arena, FAILURE_SYSTEM, growth);
	}
	buffer->shown.data = data;
	buffer->shown.capacity = capacity;
	buffer->mapped = mapped;
	return true;
}

bool loss_buffer_reserve(struct loss_buffer *buffer, size_t more)
{
	if (more <= buffer->capacity - buffer->size)
		return true;
	size_t needed;
	if (__builtin_add_overflow(buffer->size, more, &needed) || !round_up(needed, PAGE))
		return fail(buffer->arena, FAILURE_TOO_LARGE, more);
	/* Room to spare is for speed: without the means for it, what is needed will do. */
	size_t capacity = grown_capacity(inside(buffer), needed);
	return (capacity && grow(inside(buffer), capacity)) ||
	       grow(inside(buffer), round_up(needed, ALIGNMENT));
}

bool loss_buffer_append(struct loss_buffer *buffer, const void *bytes, size_t n)
{
	if (!loss_buffer_reserve(buffer, n))
		return false;
	if (n)
		memcpy(buffer->data + buffer->size, bytes, n);
	buffer->size += n;
	return true;
}

void loss_buffer_release(struct loss_buffer *buffer)
{
	struct loss_arena *arena = buffer->arena;
	if (inside(buffer)->mapped)
		mapping_destroy(arena->budget, buffer->data, buffer->capacity);
	else
		free(buffer->data);
	refund(arena, buffer->capacity);
	*buffer = (struct loss_buffer){.arena = arena};
	inside(buffer)->mapped = false;
}

void loss_arena_release_buffers(struct loss_arena *arena)
{
	for (struct buffer *buffer = arena->buffers; buffer; buffer = buffer->next)
		loss_buffer_release(&buffer->shown);
}
