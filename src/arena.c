#include "arena.h"
#include "mapping.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT ((size_t)64)
#define PAGE ((size_t)4096)
#define SLAB_BYTES ((size_t)16384)
#define SMALLEST_BLOCK ((size_t)1024) /* that an arena begins in */
#define LODGED_BYTES ((size_t)4096)   /* of a buffer in a slab, at most */
/* From here on memory comes as pages of its own, which stay warm for the next taker (mapping.h). */
#define MAPPED_BYTES ((size_t)1 << 18)

struct slab {
	_Alignas(64) struct slab *next;
	size_t size; /* with this header */
	size_t used;
	/* What malloc gave, at most an alignment before; NULL for a mapping, and for a block of the
	 * caller's. */
	void *memory;
	struct mapping *mapping;
};

enum failure { FAILURE_NONE, FAILURE_TOO_LARGE, FAILURE_BUDGET, FAILURE_SYSTEM };

struct loss_arena {
	struct loss_budget *budget;
	struct slab *slabs; /* the first one is being filled */
	struct buffer *buffers;
	size_t held;   /* written by the owner, read by any thread */
	size_t wanted; /* bytes of the allocation that failed */
	enum failure failure;
};

static bool fail(struct loss_arena *arena, enum failure failure, size_t wanted)
{
	arena->failure = failure;
	arena->wanted = wanted;
	return false;
}

/* ---------------------------------------------------------------- the arena */

/* Whether an arena can ever hold n bytes more, or says that it can not. */
static bool fits(struct loss_arena *arena, size_t n)
{
	size_t limit = arena->budget ? arena->budget->limit : SIZE_MAX;
	if (n > limit || arena->held > limit - n)
		return fail(arena, FAILURE_TOO_LARGE, n);
	return true;
}

static void hold(struct loss_arena *arena, size_t n)
{
	__atomic_store_n(&arena->held, n, __ATOMIC_RELAXED);
}

/* Charges n bytes to the budget, or says why not. */
static bool charge(struct loss_arena *arena, size_t n)
{
	if (!fits(arena, n))
		return false;
	if (arena->budget && !loss_budget_take(arena->budget, n))
		return fail(arena, FAILURE_BUDGET, n);
	hold(arena, arena->held + n);
	return true;
}

static void refund(struct loss_arena *arena, size_t n)
{
	hold(arena, arena->held - n);
	if (arena->budget)
		loss_budget_give(arena->budget, n);
}

/* The same for what is used of a mapping, of which what is warm is charged already. */
static bool charge_mapping(struct loss_arena *arena, struct mapping *mapping, size_t used)
{
	size_t n = used - mapping->used;
	if (!fits(arena, n))
		return false;
	if (!mapping_use(arena->budget, mapping, used))
		return fail(arena, FAILURE_BUDGET, n);
	hold(arena, arena->held + n);
	return true;
}

static void refund_mapping(struct loss_arena *arena, struct mapping *mapping)
{
	hold(arena, arena->held - mapping->used);
	mapping_give(arena->budget, mapping);
}

/* A mapping with `used` bytes in use and addresses for more; NULL, and says why. */
static struct mapping *map(struct loss_arena *arena, size_t used, size_t size, size_t most)
{
	if (!fits(arena, used))
		return NULL;
	struct mapping *mapping = mapping_take(arena->budget, size, most);
	if (!mapping && size > used)
		mapping = mapping_take(arena->budget, used, most);
	if (!mapping) {
		fail(arena, FAILURE_SYSTEM, used);
		return NULL;
	}
	if (charge_mapping(arena, mapping, used))
		return mapping;
	mapping_give(arena->budget, mapping);
	return NULL;
}

/* n rounded up to a multiple of a power of two; 0 when that overflows. */
static size_t round_up(size_t n, size_t multiple)
{
	return n > SIZE_MAX - multiple ? 0 : (n + multiple - 1) & ~(multiple - 1);
}

/* Faster than aligned_alloc, which gives the ends that it cuts off back as chunks of
 * their own. Like malloc's header, the room for aligning is not charged. */
static struct slab *allocate(size_t size, void **memory)
{
	unsigned char *bytes = malloc(size + ALIGNMENT);
	*memory = bytes;
	return bytes ? (struct slab *)(void *)(bytes + (-(uintptr_t)bytes & (ALIGNMENT - 1)))
		     : NULL;
}

/* What is much larger than this is left to those who want it. */
static size_t twice(size_t n)
{
	return n > SIZE_MAX / 2 ? SIZE_MAX : 2 * n;
}

static struct slab *slab_map(struct loss_arena *arena, size_t size)
{
	struct mapping *mapping = map(arena, size, size, twice(size));
	struct slab *slab = mapping ? (struct slab *)(void *)mapping->pages : NULL;
	if (slab)
		*slab = (struct slab){.size = size, .used = sizeof *slab, .mapping = mapping};
	return slab;
}

/* gcc's analyzer does not see that an aligned slab still knows its memory. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static struct slab *slab_allocate(struct loss_arena *arena, size_t size)
{
	void *memory = NULL;
	if (!charge(arena, size))
		return NULL;
	struct slab *slab = allocate(size, &memory);
	if (slab) {
		*slab = (struct slab){.size = size, .used = sizeof *slab, .memory = memory};
		return slab;
	}
	refund(arena, size);
	fail(arena, FAILURE_SYSTEM, size);
	return NULL;
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

static struct slab *slab_create(struct loss_arena *arena, size_t payload)
{
	size_t size = payload > SIZE_MAX - sizeof(struct slab) ? 0 : payload + sizeof(struct slab);
	size = round_up(size < SLAB_BYTES ? (size ? SLAB_BYTES : 0) : size, PAGE);
	if (size == 0) {
		fail(arena, FAILURE_TOO_LARGE, payload);
		return NULL;
	}
	struct slab *slab =
		size >= MAPPED_BYTES ? slab_map(arena, size) : slab_allocate(arena, size);
	if (!slab)
		arena->wanted = payload;
	return slab;
}

/* What its first slab has room for begins after the arena itself. */
static size_t settled_bytes(void)
{
	return sizeof(struct slab) + round_up(sizeof(struct loss_arena), ALIGNMENT);
}

static void slab_destroy(struct loss_budget *budget, struct slab *slab)
{
	if (slab->mapping) {
		mapping_give(budget, slab->mapping);
		return;
	}
	size_t size = slab->size;
	free(slab->memory);
	if (budget)
		loss_budget_give(budget, size);
}

/* The arena lives in its own first slab. */
static struct loss_arena *settle(const struct loss_arena *start, struct slab *slab)
{
	struct loss_arena *arena = (struct loss_arena *)(slab + 1);
	*arena = *start;
	arena->slabs = slab;
	slab->used = settled_bytes();
	return arena;
}

struct loss_arena *loss_arena_create(struct loss_budget *budget)
{
	struct loss_arena start = {.budget = budget};
	struct slab *slab = slab_create(&start, sizeof start);
	return slab ? settle(&start, slab) : NULL;
}

struct loss_arena *loss_arena_create_in(struct loss_budget *budget, void *block, size_t size)
{
	struct loss_arena start = {.budget = budget};
	struct slab *slab = block;
	assert((uintptr_t)block % ALIGNMENT == 0 && size >= SMALLEST_BLOCK);
	if (!charge(&start, size))
		return NULL;
	*slab = (struct slab){.size = size, .used = sizeof *slab};
	return settle(&start, slab);
}

void loss_arena_destroy(struct loss_arena *arena)
{
	if (!arena)
		return;
	loss_arena_release_buffers(arena);
	struct slab *slab = arena->slabs;
	struct loss_budget *budget = arena->budget;
	while (slab) {
		struct slab *next = slab->next;
		slab_destroy(budget, slab);
		slab = next;
	}
}

void loss_arena_reset(struct loss_arena *arena)
{
	struct slab *own = (struct slab *)(void *)arena - 1, *slab = arena->slabs;
	loss_arena_release_buffers(arena);
	while (slab) {
		struct slab *next = slab->next;
		if (slab != own)
			slab_destroy(arena->budget, slab);
		slab = next;
	}
	own->next = NULL;
	own->used = settled_bytes();
	*arena = (struct loss_arena){.budget = arena->budget, .slabs = own, .held = own->size};
}

void *loss_arena_alloc(struct loss_arena *arena, size_t n, size_t size)
{
	size_t bytes;
	if (!size_multiply(n, size, &bytes) || (bytes && !round_up(bytes, ALIGNMENT))) {
		fail(arena, FAILURE_TOO_LARGE, SIZE_MAX);
		return NULL;
	}
	bytes = round_up(bytes, ALIGNMENT);
	struct slab *slab = arena->slabs;
	if (bytes > slab->size - slab->used) {
		slab = slab_create(arena, bytes);
		if (!slab)
			return NULL;
		/* A slab that this allocation fills goes after the one being filled. */
		bool full = slab->size - slab->used - bytes < SLAB_BYTES / 2;
		slab->next = full ? arena->slabs->next : arena->slabs;
		*(full ? &arena->slabs->next : &arena->slabs) = slab;
	}
	void *memory = (unsigned char *)slab + slab->used;
	slab->used += bytes;
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
			"%zu bytes are needed beside the %zu held so far, but the whole memory "
			"budget is %zu bytes; split the batch",
			arena->wanted, loss_arena_held(arena), limit);
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
	return __atomic_load_n(&arena->held, __ATOMIC_RELAXED);
}

/* ---------------------------------------------------------------- buffers */

/* What a buffer is inside; callers see its first member. */
struct buffer {
	struct loss_buffer shown;
	struct buffer *next; /* the arena's list */
	/* Where its bytes are, all that it has capacity for in use; NULL: malloc's memory, or the
	 * arena's. */
	struct mapping *mapping;
	bool lodged;     /* its bytes are the arena's, charged with its slab, and stay there */
	size_t expected; /* in all; 0: nobody knows */
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
	return ((const struct buffer *)(const void *)buffer)->mapping;
}

bool buffer_is_lodged(const struct loss_buffer *buffer)
{
	return ((const struct buffer *)(const void *)buffer)->lodged;
}

void loss_buffer_expect(struct loss_buffer *buffer, size_t total)
{
	/* More than that will never come. */
	size_t limit = buffer->arena->budget ? buffer->arena->budget->limit : SIZE_MAX;
	inside(buffer)->expected = total < limit ? total : limit;
}

/* What the system gives at a time when bytes are touched for the first time. */
static size_t step(const struct buffer *buffer, size_t needed)
{
	size_t size = buffer->mapping ? buffer->mapping->size : buffer->expected;
	if (needed < PAGE)
		return ALIGNMENT;
	return size >= HUGE_BYTES && needed >= MAPPED_BYTES ? HUGE_PAGE : PAGE;
}

/* Small buffers double; mapped ones grow by an eighth, since that costs no copy. What is expected
 * is enough. 0 on overflow. */
static size_t grown_capacity(const struct buffer *buffer, size_t needed)
{
	size_t capacity = buffer->shown.capacity;
	size_t more = buffer->mapping ? capacity / 8 : capacity;
	capacity = capacity > SIZE_MAX - more ? needed : capacity + more;
	capacity = round_up(capacity < needed ? needed : capacity, step(buffer, needed));
	size_t enough = round_up(buffer->expected, needed < PAGE ? ALIGNMENT : PAGE);
	return capacity > enough && needed <= enough ? enough : capacity;
}

/* What begins small lies in the slab, where that has twice the room: most need nothing else. */
static bool lodge(struct buffer *buffer, size_t capacity)
{
	struct loss_buffer *shown = &buffer->shown;
	const struct slab *slab = shown->arena->slabs;
	if (shown->data || capacity > LODGED_BYTES || capacity > (slab->size - slab->used) / 2)
		return false;
	shown->data = loss_arena_array(shown->arena, unsigned char, capacity);
	buffer->lodged = true;
	return true;
}

/* The bytes that are charged for it alone. */
static size_t charged(const struct buffer *buffer)
{
	return buffer->lodged ? 0 : buffer->shown.capacity;
}

/* Malloc's memory, which moves. */
static bool grow_small(struct buffer *buffer, size_t capacity)
{
	struct loss_buffer *shown = &buffer->shown;
	size_t growth = capacity - charged(buffer);
	if (lodge(buffer, capacity))
		return true;
	if (!charge(shown->arena, growth))
		return false;
	unsigned char *data = realloc(buffer->lodged ? NULL : shown->data, capacity);
	if (!data) {
		refund(shown->arena, growth);
		return fail(shown->arena, FAILURE_SYSTEM, growth);
	}
	if (buffer->lodged)
		memcpy(data, shown->data, shown->size);
	buffer->lodged = false;
	shown->data = data;
	return true;
}

/* Gives back what is not a mapping's. */
static void free_small(struct buffer *buffer)
{
	if (!buffer->lodged)
		free(buffer->shown.data);
	refund(buffer->shown.arena, charged(buffer));
	buffer->lodged = false;
}

/* From malloc's memory to a mapping, with addresses for all that is expected. */
static bool move_to_mapping(struct buffer *buffer, size_t capacity)
{
	struct loss_buffer *shown = &buffer->shown;
	bool known = buffer->expected >= capacity;
	size_t size = known ? buffer->expected : capacity;
	buffer->mapping = map(shown->arena, capacity, size, known ? twice(size) : SIZE_MAX);
	if (!buffer->mapping)
		return false;
	if (shown->size)
		memcpy(buffer->mapping->pages, shown->data, shown->size); /* once, at 256 KiB */
	free_small(buffer);
	shown->data = buffer->mapping->pages;
	return true;
}

static bool grow_mapped(struct buffer *buffer, size_t capacity)
{
	struct loss_arena *arena = buffer->shown.arena;
	struct mapping *mapping = buffer->mapping;
	if (!fits(arena, capacity - mapping->used))
		return false;
	if (capacity > mapping->size && !mapping_extend(arena->budget, mapping, capacity))
		return fail(arena, FAILURE_SYSTEM, capacity - mapping->used);
	buffer->shown.data = mapping->pages; /* which may have moved */
	return charge_mapping(arena, mapping, capacity);
}

/* Makes the capacity what is asked for, if it can be paid for; else the buffer is as it was. */
static bool grow(struct buffer *buffer, size_t capacity)
{
	struct loss_buffer *shown = &buffer->shown;
	assert(capacity > shown->capacity);
	bool grown = buffer->mapping            ? grow_mapped(buffer, capacity)
		     : capacity >= MAPPED_BYTES ? move_to_mapping(buffer, capacity)
						: grow_small(buffer, capacity);
	if (grown)
		shown->capacity = capacity;
	return grown;
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
	struct mapping *mapping = inside(buffer)->mapping;
	if (mapping) {
		refund_mapping(arena, mapping);
	} else {
		free_small(inside(buffer));
	}
	*buffer = (struct loss_buffer){.arena = arena};
	inside(buffer)->mapping = NULL;
}

void loss_arena_release_buffers(struct loss_arena *arena)
{
	for (struct buffer *buffer = arena->buffers; buffer; buffer = buffer->next)
		loss_buffer_release(&buffer->shown);
}
