#include "budget.h"

#include <sched.h>
#include <stdlib.h>

struct loss_budget *loss_budget_create(size_t limit_bytes)
{
	struct loss_budget *budget = calloc(1, sizeof *budget);
	if (budget)
		budget->limit = limit_bytes;
	return budget;
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

bool budget_try(struct loss_budget *budget, size_t n)
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
