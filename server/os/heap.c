#include "heap.h"

static void put(struct heap *heap, size_t place, struct heap_item *item)
{
	heap->items[place] = item;
	item->place = place;
}

static void sift_up(struct heap *heap, struct heap_item *item)
{
	size_t place = item->place;
	for (; place > 0; place = (place - 1) / 2) {
		struct heap_item *parent = heap->items[(place - 1) / 2];
		if (parent->due_ns <= item->due_ns)
			break;
		put(heap, place, parent);
	}
	put(heap, place, item);
}

static void sift_down(struct heap *heap, struct heap_item *item)
{
	size_t place = item->place;
	for (;;) {
		size_t child = 2 * place + 1;
		if (child + 1 < heap->n &&
		    heap->items[child + 1]->due_ns < heap->items[child]->due_ns)
			child++;
		if (child >= heap->n || heap->items[child]->due_ns >= item->due_ns)
			break;
		put(heap, place, heap->items[child]);
		place = child;
	}
	put(heap, place, item);
}

void heap_moved(struct heap *heap, struct heap_item *item)
{
	sift_up(heap, item);
	sift_down(heap, item);
}

void heap_add(struct heap *heap, struct heap_item *item)
{
	put(heap, heap->n++, item);
	sift_up(heap, item);
}

void heap_remove(struct heap *heap, struct heap_item *item)
{
	struct heap_item *last = heap->items[--heap->n];
	if (last == item)
		return;
	put(heap, item->place, last);
	heap_moved(heap, last);
}
