/* The reaper's inside, for its two files: reaper.c has its calls and its thread, reaper_look.c says
 * what is done about a connection when. */
#ifndef LOSSD_REAPER_ENTRY_H
#define LOSSD_REAPER_ENTRY_H

#include <pthread.h>
#include <stdatomic.h>

#include "os/heap.h"
#include "pace.h"
#include "reaper.h"

#define NEVER UINT64_MAX
#define MS UINT64_C(1000000)
#define SECOND PACE_SECOND
/* How often a connection is looked at. */
#define LOOK_NS (500 * MS)
/* Requests that wait after one another when it drains are answered for this long, whatever their
 * number. */
#define DRAIN_PATIENCE_NS (10 * SECOND)
/* So many are found at once of those that may make room: to find them costs a look at all. */
#define REAPER_IDLE_KEPT 32
/* A new one is looked at much sooner: it may have come only to leave, and others wait. */
#define FIRST_LOOK_NS (10 * MS)
/* What a connection without a request gets when the server drains: one that is on its way arrives
 * in this. */
#define DRAIN_GRACE_NS SECOND

/* What a connection is owed when the server drains, beside what had come before. */
enum promise {
	PROMISE_NOTHING,
	PROMISE_A_WHILE, /* what comes within the grace */
	PROMISE_NEXT,    /* the next request, whenever it comes, and then the former */
};

struct reaper_entry {
	struct heap_item item; /* the first member. due_ns: when it is looked at again */

	_Atomic uint64_t start_ns;    /* of the phase; no two of an entry have the same */
	_Atomic uint64_t deadline_ns; /* of the phase; NEVER: none */
	_Atomic uint64_t bytes;       /* received of a body; to be sent of a reply */
	_Atomic uint64_t handed;      /* of a reply, to the kernel, where that does not count */
	_Atomic uint64_t held;        /* memory that its request holds */
	_Atomic uint64_t accounted;   /* received by the connection, of requests that have ended */
	atomic_int phase;
	bool uncertain; /* its owner's: a request came in chunks, so that `accounted` is a guess */
	atomic_int promise; /* enum promise: what is asked is answered, though the server drains */

	/* Under the mutex, but that its owner may read fd. */
	int fd; /* -1: not in use */
	bool cut;
	bool encrypted;    /* nothing can be sent beside what its owner sends */
	bool evicted;      /* so that is why */
	uint64_t paced_ns; /* the start of the phase that the next two are of */
	uint64_t taken;    /* by the client, when its deadline was moved */
	struct pace pace;
	uint64_t probe_ns, probe_wait_ns; /* of a client that sends no more; 0: it may */
	struct reaper_watch watch;        /* notice NULL: nobody watches */
	struct reaper_entry *next_free;
};

struct reaper {
	const struct config *config;
	struct loss_budget *budget; /* NULL: none is looked after */
	uint64_t age_ns; /* the thread's: when that is done again; NEVER: nothing is kept */
	reaper_clock *clock;
	reaper_clock *glance; /* of connections that have others to serve: cheaper, and behind */
	uint64_t lag_ns;      /* by so much at most */
	uint64_t look_ns;     /* between two looks at a connection */
	_Atomic uint64_t pressed; /* when somebody found no memory; 0: long ago */
	_Atomic uint64_t
		drain_ns; /* what had come by then is promised; 0: the server does not drain */
	atomic_bool stopping;
	int wake[2]; /* a pipe: a byte in it ends the thread's sleep */
	pthread_t thread;

	pthread_mutex_t mutex; /* guards all below, and the entries as said there */
	uint64_t wakes_ns;     /* when the thread's sleep ends */
	bool ended;       /* all have been cut, and those that are still to be opened are, too */
	size_t n_evicted; /* of those that are open */
	/* Those that were idle for longest when they were looked for last, the first of them first.
	 */
	struct idle {
		struct reaper_entry *entry;
		uint64_t start_ns;
	} idle[REAPER_IDLE_KEPT];
	size_t n_idle;
	uint64_t relief_ns; /* when a slow transfer may be ended again */
	struct heap heap;   /* of the open entries */
	struct reaper_entry *entries;
	size_t n_entries, n_used;
	struct reaper_entry *free;
};

static inline struct reaper_entry *entry_of(struct heap_item *item)
{
	return (struct reaper_entry *)(void *)item;
}

static inline uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline enum reaper_phase phase_of(const struct reaper_entry *entry)
{
	return (enum reaper_phase)atomic_load_explicit(&entry->phase, memory_order_acquire);
}

static inline bool waits_for_request(enum reaper_phase phase)
{
	return phase == REAPER_OPENED || phase == REAPER_IDLE;
}

/* All below in reaper_look.c. */

struct pace_rule reaper_rule(const struct reaper *reaper, enum reaper_phase phase);
/* The end of a phase that begins now. */
uint64_t reaper_end_of(const struct reaper *reaper, enum reaper_phase phase, uint64_t now);
/* An earlier end for the phase that it was in when *deadline was read. Its owner may enter the next
 * one at this moment: that one's deadline then stands. */
void reaper_hasten(struct reaper_entry *entry, uint64_t *deadline, uint64_t to);

/* With the mutex held: */

void reaper_cut(struct reaper_entry *entry);
void reaper_notify(struct reaper_entry *entry, enum reaper_event event);
/*
 * Does what is due for an entry and returns when to look again. That is never later than the
 * shortest timeout from now: a phase that begins until then ends later than that, so its owner need
 * not tell the thread.
 */
uint64_t reaper_look(struct reaper *reaper, struct reaper_entry *entry, uint64_t now);
/* Where somebody has found no memory of late, the slowest transfer goes. */
void reaper_relieve(struct reaper *reaper, uint64_t now);
/* The connection that has waited longest for a next request, of which nothing has come; NULL: there
 * is none. */
struct reaper_entry *reaper_longest_idle(struct reaper *reaper, uint64_t now);

#endif
