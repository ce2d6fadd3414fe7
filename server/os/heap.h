/* What is due when: a binary heap of things that are somewhere else, the earliest first. One
 * thread at a time. */
#ifndef LOSSD_HEAP_H
#define LOSSD_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct heap_item {
	uint64_t due_ns;
	size_t place; /* the heap's */
};

struct heap {
	struct heap_item **items; /* room for all that will ever be in it at once */
	size_t n;
};

void heap_add(struct heap *heap, struct heap_item *item);
void heap_remove(struct heap *heap, struct heap_item *item);
/* Its due_ns has changed. */
void heap_moved(struct heap *heap, struct heap_item *item);

#endif
