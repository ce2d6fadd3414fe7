#include "mapping.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Ends of ranges: a multiple of the pages of every system. */
#define GRAIN ((size_t)64 << 10)
/* That may wait: a search looks at all of them. */
#define MOST_FREE 64

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

/* ThreadSanitizer does not see pages move, and takes the new ones for somebody else's. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COPIES_PAGES
#endif
#endif
#if defined(__SANITIZE_THREAD__) || !defined(__linux__)
#define COPIES_PAGES
#endif

/* 0 on overflow. */
static size_t round_up(size_t n, size_t multiple)
{
	return n > SIZE_MAX - multiple ? 0 : (n + multiple - 1) & ~(multiple - 1);
}

/* ---------------------------------------------------------------- the system */

static void *map_at(void *place, size_t size, int flags)
{
	/* Addresses: the budget has the last word on how much of them becomes memory. */
	flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *pages = mmap(place, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	return pages == MAP_FAILED ? NULL : pages;
}

static void advise(void *pages, size_t size)
{
#ifdef MADV_HUGEPAGE
	if (size >= HUGE_BYTES)
		madvise(pages, size,
			MADV_HUGEPAGE); /* advice: whether it is taken does not matter */
#else
	(void)pages;
	(void)size;
#endif
}

/* A large one begins where a huge page can: more is mapped, and what stands over goes back. */
static unsigned char *map(size_t size)
{
	size_t over = size >= HUGE_BYTES ? HUGE_PAGE : 0;
	unsigned char *pages = size > SIZE_MAX - over ? NULL : map_at(NULL, size + over, 0);
	if (!pages || over == 0)
		return pages;
	size_t before = -(uintptr_t)pages & (HUGE_PAGE - 1);
	if (before > 0)
		munmap(pages, before);
	munmap(pages + before + size, over - before);
	advise(pages + before, size);
	return pages + before;
}

/* The pages become addresses again. */
static void discard(unsigned char *pages, size_t n)
{
#ifdef __linux__
	madvise(pages, n, MADV_DONTNEED);
#else
	map_at(pages, n, MAP_FIXED);
#endif
}

#ifndef COPIES_PAGES
/* Where it is, else to a place of its own, at which huge pages stay whole. */
static unsigned char *move(unsigned char *pages, size_t size, size_t larger)
{
	if (mremap(pages, size, larger, 0) != MAP_FAILED)
		return pages;
	void *place = map(larger);
	if (!place)
		return NULL;
	if (mremap(pages, size, larger, MREMAP_MAYMOVE | MREMAP_FIXED, place) != MAP_FAILED)
		return place;
	munmap(place, larger);
	return NULL;
}
#endif

/* ---------------------------------------------------------------- lists */

static void put_first(struct mapping_list *list, struct mapping *mapping)
{
	mapping->before = NULL;
	mapping->next = list->first;
	*(list->first ? &list->first->before : &list->last) = mapping;
	list->first = mapping;
	list->n++;
}

static void take_out(struct mapping_list *list, struct mapping *mapping)
{
	*(mapping->before ? &mapping->before->next : &list->first) = mapping->next;
	*(mapping->next ? &mapping->next->before : &list->last) = mapping->before;
	list->n--;
}

static void lend(struct loss_budget *budget, struct mapping *mapping)
{
	put_first(&budget->lent, mapping);
	mapping->lent = true;
	mapping->aged = false;
}

/* ---------------------------------------------------------------- taking */

static struct mapping *smallest_from(const struct mapping_list *list, size_t least, size_t most)
{
	struct mapping *best = NULL;
	for (struct mapping *mapping = list->first; mapping; mapping = mapping->next)
		if (mapping->resident >= least && mapping->resident <= most &&
		    (!best || mapping->resident < best->resident))
			best = mapping;
	return best;
}

static struct mapping *largest_below(const struct mapping_list *list, size_t least, size_t end)
{
	struct mapping *best = NULL;
	for (struct mapping *mapping = list->first; mapping; mapping = mapping->next)
		if (mapping->resident >= least && mapping->resident < end &&
		    (!best || mapping->resident > best->resident))
			best = mapping;
	return best;
}

static struct mapping *take_free(struct loss_budget *budget, size_t size, size_t most)
{
	budget_lock(budget);
	struct mapping *mapping = smallest_from(&budget->free, size, most);
	if (!mapping)
		mapping = largest_below(&budget->free, size / 2 + 1, size);
	if (mapping) {
		take_out(&budget->free, mapping);
		lend(budget, mapping);
	}
	budget_unlock(budget);
	return mapping;
}

static struct mapping *create(struct loss_budget *budget, size_t size)
{
	size = round_up(size, GRAIN);
	struct mapping *mapping = size ? calloc(1, sizeof *mapping) : NULL;
	unsigned char *pages = mapping ? map(size) : NULL;
	if (!pages) {
		free(mapping);
		return NULL;
	}
	*mapping = (struct mapping){.pages = pages, .size = size};
	if (budget) {
		budget_lock(budget);
		lend(budget, mapping);
		budget_unlock(budget);
	}
	return mapping;
}

struct mapping *mapping_take(struct loss_budget *budget, size_t size, size_t most)
{
	struct mapping *mapping = budget ? take_free(budget, size, most) : NULL;
	if (!mapping)
		return create(budget, size);
	if (mapping->size >= size || mapping_extend(budget, mapping, size))
		return mapping;
	mapping_give(budget, mapping);
	return NULL;
}

/* ---------------------------------------------------------------- charges */

static size_t lacking(const struct loss_budget *budget, size_t n)
{
	size_t room = budget->limit - atomic_load_explicit(&budget->charged, memory_order_relaxed);
	return n > room ? n - room : 0;
}

/* What waits goes before what is in use, of which more may be wanted at once. */
static struct mapping *oldest(const struct loss_budget *budget)
{
	struct mapping *mapping = budget->free.last;
	if (mapping)
		return mapping;
	for (mapping = budget->lent.last; mapping && mapping_surplus(mapping) == 0;)
		mapping = mapping->before;
	return mapping;
}

/* With the lock: charges n bytes, for which what is kept gives way, as much as it takes, that which
 * was taken longest ago first. False, and nothing is charged or given up, when it would not do;
 * unless somebody takes what has just been given up. */
static bool charge(struct loss_budget *budget, size_t n)
{
	while (!budget_try(budget, n)) {
		size_t more = lacking(budget, n);
		struct mapping *mapping = more <= loss_budget_kept(budget) ? oldest(budget) : NULL;
		if (!mapping)
			return false;
		mapping_strip(budget, mapping, more);
	}
	return true;
}

bool loss_budget_take(struct loss_budget *budget, size_t n)
{
	if (budget_try(budget, n))
		return true;
	budget_lock(budget);
	bool charged = charge(budget, n);
	budget_unlock(budget);
	return charged;
}

/* ---------------------------------------------------------------- using */

static bool pay(struct loss_budget *budget, struct mapping *mapping, size_t used)
{
	/* What is warm is paid for, and from now on nobody's to give up. */
	size_t before = mapping->used;
	size_t warm = used < mapping->resident ? used : mapping->resident;
	budget_hold(budget, warm - before);
	mapping->used = warm;
	if (charge(budget, used - warm))
		return true;
	mapping->used = before;
	budget_keep(budget, warm - before);
	return false;
}

/* Of a huge page that is paid for in part all would be memory as soon as that is touched: so many
 * such pages are a multiple of the budget. It begins with a small page, after which the system
 * gives it others as they are needed. */
static void begin_small(const struct mapping *mapping, size_t used)
{
#ifdef MADV_NOHUGEPAGE
	size_t begin = used & ~(HUGE_PAGE - 1);
	bool may_be_huge =
		mapping->size >= HUGE_BYTES && mapping->size - begin >= HUGE_PAGE && used > begin;
	if (!may_be_huge || begin < mapping->resident)
		return;
	/* All of it, since a range of two kinds could not be moved. */
	madvise(mapping->pages, mapping->size, MADV_NOHUGEPAGE);
	*(volatile unsigned char *)(mapping->pages + begin) = 0;
	advise(mapping->pages, mapping->size);
#else
	(void)mapping;
	(void)used;
#endif
}

bool mapping_use(struct loss_budget *budget, struct mapping *mapping, size_t used)
{
	if (budget)
		budget_lock(budget);
	bool paid = !budget || pay(budget, mapping, used);
	if (paid) {
		begin_small(mapping, used);
		mapping->used = used;
		mapping->resident = used > mapping->resident ? used : mapping->resident;
		mapping->aged = false;
	}
	if (budget)
		budget_unlock(budget);
	return paid;
}

static bool extend(struct mapping *mapping, size_t size)
{
#ifndef COPIES_PAGES
	unsigned char *pages = move(mapping->pages, mapping->size, size);
	if (pages)
		advise(pages, size);
#else
	unsigned char *pages = map(size);
	if (pages) {
		memcpy(pages, mapping->pages, mapping->resident); /* so as much is warm as before */
		munmap(mapping->pages, mapping->size);
	}
#endif
	if (!pages)
		return false;
	mapping->pages = pages;
	mapping->size = size;
	return true;
}

bool mapping_extend(struct loss_budget *budget, struct mapping *mapping, size_t size)
{
	size = round_up(size, GRAIN);
	if (size == 0)
		return false;
	/* Under the lock, since others may strip it. */
	if (budget)
		budget_lock(budget);
	bool extended = extend(mapping, size);
	if (budget)
		budget_unlock(budget);
	return extended;
}

/* ---------------------------------------------------------------- giving back */

static void destroy(struct mapping *mapping)
{
	munmap(mapping->pages, mapping->size);
	free(mapping);
}

void mapping_strip(struct loss_budget *budget, struct mapping *mapping, size_t n)
{
	/* Huge pages go whole: a part of one would not be memory again. */
	size_t grain = mapping->size >= HUGE_BYTES ? HUGE_PAGE : GRAIN;
	size_t surplus = mapping_surplus(mapping);
	size_t left = n < surplus ? (mapping->resident - n) & ~(grain - 1) : 0;
	if (left < mapping->used)
		left = mapping->used;
	size_t from = round_up(left, GRAIN), end = round_up(mapping->resident, GRAIN);
	size_t bytes = mapping->resident - left;
	bool ends = left == 0 && !mapping->lent;
	if (ends) {
		take_out(&budget->free, mapping);
		destroy(mapping);
	} else {
		mapping->resident = left;
		if (from < end)
			discard(mapping->pages + from, end - from);
	}
	budget_hold(budget, bytes);
	loss_budget_give(budget, bytes);
}

void mapping_give(struct loss_budget *budget, struct mapping *mapping)
{
	if (!budget) {
		destroy(mapping);
		return;
	}
	budget_lock(budget);
	take_out(&budget->lent, mapping);
	put_first(&budget->free, mapping);
	mapping->lent = false;
	mapping->aged = false;
	budget_keep(budget, mapping->used);
	mapping->used = 0;
	if (mapping->resident == 0)
		mapping_strip(budget, mapping, SIZE_MAX);
	else if (budget->free.n > MOST_FREE)
		mapping_strip(budget, budget->free.last, SIZE_MAX);
	budget_unlock(budget);
}

/* ---------------------------------------------------------------- giving up what is kept */

static void strip(struct loss_budget *budget, struct mapping_list *list, bool all)
{
	struct mapping *next;
	for (struct mapping *mapping = list->first; mapping; mapping = next) {
		next = mapping->next;
		if (all || mapping->aged)
			mapping_strip(budget, mapping, SIZE_MAX);
		else
			mapping->aged = true;
	}
}

void loss_budget_trim(struct loss_budget *budget)
{
	budget_lock(budget);
	strip(budget, &budget->free, true);
	strip(budget, &budget->lent, true);
	budget_unlock(budget);
}

void loss_budget_age(struct loss_budget *budget)
{
	budget_lock(budget);
	strip(budget, &budget->free, false);
	strip(budget, &budget->lent, false);
	budget_unlock(budget);
}

void loss_budget_destroy(struct loss_budget *budget)
{
	if (budget)
		loss_budget_trim(budget);
	free(budget);
}
