#include "budget.h"

#include <sched.h>
#include <stdlib.h>

#include "mapping.h"

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

size_t loss_budget_kept(const struct loss_budget *budget)
{
	return atomic_load_explicit(&budget->kept, memory_order_relaxed);
}

/* The two are not read at once: between them bytes may have become kept. */
size_t loss_budget_held(const struct loss_budget *budget)
{
	size_t kept = loss_budget_kept(budget);
	size_t charged = atomic_load_explicit(&budget->charged, memory_order_relaxed);
	return charged > kept ? charged - kept : 0;
}

/* ---------------------------------------------------------------- the lock */

void budget_lock(struct loss_budget *budget)
{
	while (atomic_exchange_explicit(&budget->locked, true, memory_order_acquire))
		sched_yield();
}

void budget_unlock(struct loss_budget *budget)
{
	atomic_store_explicit(&budget->locked, false, memory_order_release);
}

/* ---------------------------------------------------------------- charges */

static bool charge(struct loss_budget *budget, size_t n)
{
	size_t charged = atomic_load_explicit(&budget->charged, memory_order_relaxed);
	do {
		if (n > budget->limit - charged)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(&budget->charged, &charged, charged + n,
							memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

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

bool budget_charge(struct loss_budget *budget, size_t n)
{
	while (!charge(budget, n)) {
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
	if (charge(budget, n))
		return true;
	budget_lock(budget);
	bool charged = budget_charge(budget, n);
	budget_unlock(budget);
	return charged;
}

void loss_budget_give(struct loss_budget *budget, size_t n)
{
	atomic_fetch_sub_explicit(&budget->charged, n, memory_order_relaxed);
}

void budget_hold(struct loss_budget *budget, size_t kept)
{
	atomic_fetch_sub_explicit(&budget->kept, kept, memory_order_relaxed);
}

void budget_keep(struct loss_budget *budget, size_t held)
{
	atomic_fetch_add_explicit(&budget->kept, held, memory_order_relaxed);
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
