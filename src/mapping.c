#include "mapping.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* From here on pages of 2 MiB save most of the faults. */
#define HUGE_BYTES ((size_t)4 << 20)
/* Smaller mappings cost little to make. */
#define KEPT_BYTES ((size_t)1 << 20)

static void *map(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pages == MAP_FAILED)
		return NULL;
#ifdef MADV_HUGEPAGE
	if (size >= HUGE_BYTES)
		madvise(pages, size,
			MADV_HUGEPAGE); /* advice: whether it is taken does not matter */
#endif
	return pages;
}

/* A mapping that is kept holds its own size in its first bytes. */
static size_t kept_size(const void *pages)
{
	size_t size;
	memcpy(&size, pages, sizeof size);
	return size;
}

static void forget(struct loss_budget *budget, void *pages)
{
	size_t size = kept_size(pages);
	atomic_fetch_sub_explicit(&budget->kept_bytes, size, memory_order_relaxed);
	munmap(pages, size);
}

/* In the first place, and the others move on: what was given back last is what is likely to be
 * wanted again, and what has no place any more goes. */
static void keep(struct loss_budget *budget, void *pages)
{
	for (size_t i = 0; pages && i < KEPT_MAPPINGS; i++)
		pages = atomic_exchange(&budget->kept[i], pages);
	if (pages)
		forget(budget, pages);
}

/* Back into its place, unless somebody else has come. */
static void put_back(struct loss_budget *budget, size_t i, void *pages)
{
	void *none = NULL;
	if (!atomic_compare_exchange_strong(&budget->kept[i], &none, pages))
		keep(budget, pages);
}

/* Takes a mapping out of its place: then it is this thread's alone, to use or to put back. */
static void *take(struct loss_budget *budget, size_t size)
{
	for (size_t i = 0; i < KEPT_MAPPINGS; i++) {
		void *pages = atomic_exchange(&budget->kept[i], NULL);
		if (!pages)
			continue;
		if (kept_size(pages) >= size && kept_size(pages) / 2 <= size)
			return pages;
		put_back(budget, i, pages);
	}
	return NULL;
}

static size_t kept_bytes(const struct loss_budget *budget)
{
	return atomic_load_explicit(&budget->kept_bytes, memory_order_relaxed);
}

/* Whether so much more may be kept: for that the others go, the longest kept ones first. */
static bool make_room(struct loss_budget *budget, size_t size)
{
	size_t most = budget->limit / 4;
	for (size_t i = KEPT_MAPPINGS;
	     i-- > 0 && size <= most && kept_bytes(budget) > most - size;) {
		void *pages = atomic_exchange(&budget->kept[i], NULL);
		if (pages)
			forget(budget, pages);
	}
	return size <= most && kept_bytes(budget) <= most - size;
}

void loss_budget_trim(struct loss_budget *budget)
{
	for (size_t i = 0; i < KEPT_MAPPINGS; i++) {
		void *pages = atomic_exchange(&budget->kept[i], NULL);
		if (pages)
			forget(budget, pages);
	}
}

void *mapping_create(struct loss_budget *budget, size_t *size)
{
	void *pages = budget && *size >= KEPT_BYTES ? take(budget, *size) : NULL;
	if (!pages)
		return map(*size);
	*size = kept_size(pages);
	atomic_fetch_sub_explicit(&budget->kept_bytes, *size, memory_order_relaxed);
	return pages;
}

/* ThreadSanitizer does not see pages move, and takes the new ones for somebody else's. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COPIES_PAGES
#endif
#endif
#if defined(__SANITIZE_THREAD__) || !defined(__linux__)
#define COPIES_PAGES
#endif

void *mapping_grow(void *pages, size_t size, size_t larger)
{
#ifndef COPIES_PAGES
	void *moved = mremap(pages, size, larger, MREMAP_MAYMOVE);
	return moved == MAP_FAILED ? NULL : moved;
#else
	void *moved = map(larger);
	if (moved) {
		memcpy(moved, pages, size);
		munmap(pages, size);
	}
	return moved;
#endif
}

void mapping_destroy(struct loss_budget *budget, void *pages, size_t size)
{
	if (!budget || size < KEPT_BYTES || !make_room(budget, size)) {
		munmap(pages, size);
		return;
	}
	memcpy(pages, &size, sizeof size);
	atomic_fetch_add_explicit(&budget->kept_bytes, size, memory_order_relaxed);
	keep(budget, pages);
}
