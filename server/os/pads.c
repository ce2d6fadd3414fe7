#include "pads.h"

#include <stdatomic.h>

/* Of one thread, and on cache lines of its own. */
struct stack {
	_Alignas(64) size_t n;
	void *free[PADS_OF_A_THREAD];
};

struct pads {
	size_t id; /* from 1; an address may have been another's */
	size_t n_threads;
	atomic_size_t n_known; /* threads that have asked */
	struct stack *stacks;  /* one a thread */
};

static atomic_size_t n_made;

/* What the thread has of the pads that it asked last; there is one in a process, but for tests. */
static _Thread_local struct {
	size_t id;
	struct stack *stack; /* NULL: it came too late */
} mine;

struct pads *pads_create(struct loss_arena *arena, size_t threads)
{
	struct pads *pads = loss_arena_array(arena, struct pads, 1);
	struct stack *stacks = loss_arena_array(arena, struct stack, threads);
	unsigned char *bytes = loss_arena_alloc(arena, threads, PADS_OF_A_THREAD * PAD_BYTES);
	if (!pads || !stacks || !bytes)
		return NULL;
	pads->stacks = stacks;
	pads->id = atomic_fetch_add(&n_made, 1) + 1;
	pads->n_threads = threads;
	atomic_init(&pads->n_known, 0);
	for (size_t i = 0; i < threads; i++) {
		pads->stacks[i].n = PADS_OF_A_THREAD;
		for (size_t k = 0; k < PADS_OF_A_THREAD; k++, bytes += PAD_BYTES)
			pads->stacks[i].free[k] = bytes;
	}
	return pads;
}

static struct stack *stack_of(struct pads *pads)
{
	if (mine.id != pads->id) {
		size_t i = atomic_fetch_add_explicit(&pads->n_known, 1, memory_order_relaxed);
		mine.id = pads->id;
		mine.stack = i < pads->n_threads ? &pads->stacks[i] : NULL;
	}
	return mine.stack;
}

void *pads_take(struct pads *pads)
{
	struct stack *stack = pads ? stack_of(pads) : NULL;
	return stack && stack->n > 0 ? stack->free[--stack->n] : NULL;
}

void pads_give(struct pads *pads, void *pad)
{
	struct stack *stack = pad ? stack_of(pads) : NULL;
	if (stack && stack->n < PADS_OF_A_THREAD)
		stack->free[stack->n++] = pad;
}
