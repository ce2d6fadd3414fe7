#include "shm_fault.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

/* A handler reaches nothing but statics. */
static struct {
	_Atomic(struct shm_slot *) slots;
	atomic_size_t n;
	struct sigaction before;
} watched;

/* ---------------------------------------------------------------- the handler */

static struct shm_slot *find(uintptr_t address)
{
	struct shm_slot *slots = atomic_load(&watched.slots);
	size_t n = slots ? atomic_load(&watched.n) : 0;
	for (size_t i = 0; i < n; i++) {
		unsigned version = atomic_load(&slots[i].version);
		uintptr_t begin = (uintptr_t)atomic_load(&slots[i].begin);
		size_t size = atomic_load(&slots[i].size);
		bool steady = version % 2 == 0 && atomic_load(&slots[i].version) == version;
		if (steady && address - begin < size)
			return &slots[i];
	}
	return NULL;
}

/* The whole range at once: it needs one mapping, as before, so that the system can not be out of
 * them, and the next pages do not fault. Marked first: who reads the zeros must find the mark. */
static bool cover(struct shm_slot *slot)
{
	int protection = PROT_READ | (atomic_load(&slot->writable) ? PROT_WRITE : 0);
	atomic_store(&slot->damaged, true);
	return mmap(atomic_load(&slot->begin), atomic_load(&slot->size), protection,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) != MAP_FAILED;
}

/* Not ours: what would have happened without us. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	const struct sigaction *before = &watched.before;
	if (before->sa_flags & SA_SIGINFO) {
		before->sa_sigaction(number, info, context);
	} else if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN) {
		/* A fault happens again on the return, and ends the process; a signal that somebody
		 * sent is sent again. */
		signal(number, SIG_DFL);
		if (info->si_code <= 0)
			raise(number);
	} else {
		before->sa_handler(number);
	}
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	int saved = errno;
	struct shm_slot *slot = info->si_code > 0 ? find((uintptr_t)info->si_addr) : NULL;
	if (!slot || !cover(slot))
		pass_on(number, info, context);
	errno = saved;
}

/* ---------------------------------------------------------------- its life */

bool shm_fault_start(struct shm_slot *slots, size_t n)
{
	struct shm_slot *none = NULL;
	struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	sigemptyset(&action.sa_mask);
	if (!atomic_compare_exchange_strong(&watched.slots, &none, slots))
		return false;
	atomic_store(&watched.n, n);
	if (sigaction(SIGBUS, &action, &watched.before) == 0)
		return true;
	atomic_store(&watched.slots, NULL);
	return false;
}

void shm_fault_stop(void)
{
	sigaction(SIGBUS, &watched.before, NULL);
	atomic_store(&watched.n, 0);
	atomic_store(&watched.slots, NULL);
}

/* ---------------------------------------------------------------- slots */

static void change(struct shm_slot *slot, void *begin, size_t size, bool writable)
{
	atomic_fetch_add(&slot->version, 1);
	atomic_store(&slot->begin, begin);
	atomic_store(&slot->size, size);
	atomic_store(&slot->writable, writable);
	atomic_store(&slot->damaged, false);
	atomic_fetch_add(&slot->version, 1);
}

void shm_slot_watch(struct shm_slot *slot, void *begin, size_t size, bool writable)
{
	change(slot, begin, size, writable);
}

void shm_slot_forget(struct shm_slot *slot)
{
	change(slot, NULL, 0, false);
}

bool shm_slot_damaged(const struct shm_slot *slot)
{
	return atomic_load(&slot->damaged);
}
