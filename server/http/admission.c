#include "admission.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "metrics/metrics.h"
#include "os/clock.h"

/* The end of a chain of places. */
#define NOBODY UINT32_MAX

/* Of an IPv6 address: one client has all of the addresses within it. */
#define IPV6_NETWORK_BYTES 8

/* What tells clients apart: an IPv6 network, an IPv4 address in the form of one, or none. */
struct peer {
	unsigned char bytes[16];
};

/* By descriptor: it tells a connection as long as it is open. */
struct place {
	bool taken, started;
	bool counted; /* against the limit of its address: it has one */
	uint16_t listener;
	struct peer peer;
	uint32_t next; /* of the same chain of addresses */
};

struct admission {
	struct admission_limits limits;
	size_t own;                  /* places of each listener's own */
	struct loss_budget *reserve; /* under the mutex, like what is below */
	void (*room)(void *context);
	void *context;
	atomic_bool crowded; /* somebody waits for room */

	pthread_mutex_t mutex; /* guards all below */
	size_t count;          /* of places, open and taken */
	size_t shared;         /* of those */
	size_t n_waiting;      /* taken, and not started */
	bool lacks_memory;     /* the last one that could not be opened, for that reason */
	size_t *of_listener;
	struct place *places; /* limits.descriptors of them */
	uint64_t salt;        /* so that no client can choose its chain */
	size_t n_chains;      /* a power of two; 0 where addresses are not counted */
	uint32_t *chains;
};

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t admission_own(const struct admission_limits *limits)
{
	size_t free_places = ADMISSION_FREE_BYTES / (limits->bytes * limits->listeners);
	size_t own = smaller(ADMISSION_OWN_PLACES, free_places > 0 ? free_places : 1);
	return smaller(own, limits->connections);
}

size_t admission_most(const struct admission_limits *limits)
{
	return limits->connections + admission_own(limits) * (limits->listeners - 1);
}

static bool make_chains(struct admission *a, struct loss_arena *arena)
{
	if (a->limits.per_address == 0)
		return true;
	for (a->n_chains = 1; a->n_chains < a->limits.connections;)
		a->n_chains *= 2;
	a->chains = loss_arena_array(arena, uint32_t, a->n_chains);
	if (a->chains)
		memset(a->chains, 0xff, a->n_chains * sizeof *a->chains); /* NOBODY in each */
	return a->chains != NULL;
}

struct admission *admission_create(struct loss_arena *arena, const struct admission_limits *limits,
				   void (*room)(void *context), void *context)
{
	struct admission *a = loss_arena_array(arena, struct admission, 1);
	if (!a)
		return NULL;
	*a = (struct admission){.limits = *limits,
				.room = room,
				.context = context,
				.salt = clock_ns() * UINT64_C(0x9e3779b97f4a7c15)};
	a->own = admission_own(limits);
	a->of_listener = loss_arena_array(arena, size_t, limits->listeners);
	a->places = loss_arena_array(arena, struct place, limits->descriptors);
	if (!a->of_listener || !a->places || !make_chains(a, arena))
		return NULL;
	memset(a->of_listener, 0, limits->listeners * sizeof *a->of_listener);
	memset(a->places, 0, limits->descriptors * sizeof *a->places);
	a->reserve = loss_budget_create(ADMISSION_FREE_BYTES);
	if (!a->reserve)
		return NULL;
	pthread_mutex_init(&a->mutex, NULL);
	return a;
}

void admission_destroy(struct admission *admission)
{
	if (!admission)
		return;
	pthread_mutex_destroy(&admission->mutex);
	loss_budget_destroy(admission->reserve);
}

/* ---------------------------------------------------------------- addresses */

static struct peer peer_of(const struct sockaddr *address)
{
	struct peer peer = {{0}};
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
		peer.bytes[10] = peer.bytes[11] = 0xff;
		memcpy(&peer.bytes[12], &v4->sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
		memcpy(peer.bytes, &v6->sin6_addr, IPV6_NETWORK_BYTES);
	}
	return peer;
}

static uint32_t *chain_of(struct admission *a, const struct peer *peer)
{
	uint64_t halves[2];
	memcpy(halves, peer->bytes, sizeof halves);
	uint64_t hash = (halves[0] ^ a->salt) * UINT64_C(0xff51afd7ed558ccd);
	hash = (hash ^ (hash >> 32) ^ halves[1]) * UINT64_C(0xc4ceb9fe1a85ec53);
	return &a->chains[(hash ^ (hash >> 29)) & (a->n_chains - 1)];
}

static bool address_is_full(struct admission *a, const struct peer *peer)
{
	size_t n = 0;
	for (uint32_t i = *chain_of(a, peer); i != NOBODY; i = a->places[i].next)
		n += memcmp(&a->places[i].peer, peer, sizeof *peer) == 0;
	return n >= a->limits.per_address;
}

static void enchain(struct admission *a, int fd)
{
	uint32_t *chain = chain_of(a, &a->places[fd].peer);
	a->places[fd].next = *chain;
	*chain = (uint32_t)fd;
}

static void unchain(struct admission *a, int fd)
{
	uint32_t *link = chain_of(a, &a->places[fd].peer);
	while (*link != (uint32_t)fd)
		link = &a->places[*link].next;
	*link = a->places[fd].next;
}

/* ---------------------------------------------------------------- places */

/* All below: the mutex is held. */

/* Memory of one more shared place. */
static bool charge(struct admission *a)
{
	return loss_budget_take(a->limits.budget, a->limits.bytes) ||
	       loss_budget_take(a->reserve, a->limits.bytes);
}

/* That of any of them: the reserve is filled first, for the next newcomers. */
static void refund(struct admission *a)
{
	bool reserved = loss_budget_held(a->reserve) > 0;
	loss_budget_give(reserved ? a->reserve : a->limits.budget, a->limits.bytes);
}

static bool open_place(struct admission *a, size_t listener)
{
	a->lacks_memory = false;
	if (a->of_listener[listener] >= a->own) {
		bool full = a->shared >= a->limits.connections - a->own;
		a->lacks_memory = !full && !charge(a);
		if (full || a->lacks_memory)
			return false;
		a->shared++;
	}
	a->of_listener[listener]++;
	a->count++;
	return true;
}

static void close_place(struct admission *a, size_t listener)
{
	a->count--;
	if (a->of_listener[listener]-- <= a->own)
		return;
	a->shared--;
	refund(a);
}

static void vacate(struct admission *a, int fd)
{
	struct place *place = &a->places[fd];
	if (place->counted)
		unchain(a, fd);
	a->n_waiting -= !place->started;
	place->taken = false;
	close_place(a, place->listener);
}

/* A connection that libmicrohttpd closed before it had begun with it. */
static void sweep(struct admission *a)
{
	for (size_t fd = 0; a->n_waiting > 0 && fd < a->limits.descriptors; fd++) {
		const struct place *place = &a->places[fd];
		if (place->taken && !place->started && fcntl((int)fd, F_GETFD) < 0 &&
		    errno == EBADF)
			vacate(a, (int)fd);
	}
}

/* ---------------------------------------------------------------- calls */

bool admission_open(struct admission *a, size_t listener)
{
	pthread_mutex_lock(&a->mutex);
	bool open = open_place(a, listener);
	if (!open) {
		sweep(a);
		open = open_place(a, listener);
	}
	pthread_mutex_unlock(&a->mutex);
	return open;
}

bool admission_has_room(struct admission *a, size_t listener)
{
	pthread_mutex_lock(&a->mutex);
	bool open = open_place(a, listener);
	if (open)
		close_place(a, listener);
	pthread_mutex_unlock(&a->mutex);
	return open;
}

void admission_crowd(struct admission *a, bool crowded)
{
	/* Under the mutex: whoever makes room from now on sees it. */
	pthread_mutex_lock(&a->mutex);
	atomic_store(&a->crowded, crowded);
	pthread_mutex_unlock(&a->mutex);
}

void admission_abandon(struct admission *a, size_t listener)
{
	pthread_mutex_lock(&a->mutex);
	close_place(a, listener);
	pthread_mutex_unlock(&a->mutex);
}

bool admission_take(struct admission *a, size_t listener, int fd, const struct sockaddr *address)
{
	struct peer peer = peer_of(address);
	pthread_mutex_lock(&a->mutex);
	bool fits = (size_t)fd < a->limits.descriptors;
	if (fits && a->places[fd].taken)
		vacate(a, fd);
	bool counted = a->n_chains > 0 && address->sa_family != AF_UNIX;
	bool full = counted && address_is_full(a, &peer);
	if (full)
		metrics_reject(METRICS_REJECT_ADDRESS);
	if (!fits || full) {
		close_place(a, listener);
		pthread_mutex_unlock(&a->mutex);
		return false;
	}
	a->places[fd] = (struct place){
		.taken = true, .counted = counted, .listener = (uint16_t)listener, .peer = peer};
	a->n_waiting++;
	if (counted)
		enchain(a, fd);
	pthread_mutex_unlock(&a->mutex);
	return true;
}

void admission_started(struct admission *a, int fd)
{
	pthread_mutex_lock(&a->mutex);
	struct place *place = &a->places[fd];
	a->n_waiting -= !place->started;
	place->started = true;
	pthread_mutex_unlock(&a->mutex);
}

void admission_release(struct admission *a, int fd)
{
	pthread_mutex_lock(&a->mutex);
	if (a->places[fd].taken)
		vacate(a, fd);
	pthread_mutex_unlock(&a->mutex);
	if (atomic_load(&a->crowded))
		a->room(a->context);
}

size_t admission_count(struct admission *a)
{
	pthread_mutex_lock(&a->mutex);
	sweep(a);
	size_t count = a->count;
	pthread_mutex_unlock(&a->mutex);
	return count;
}

bool admission_lacks_memory(struct admission *a)
{
	pthread_mutex_lock(&a->mutex);
	bool lacks = a->lacks_memory;
	pthread_mutex_unlock(&a->mutex);
	return lacks;
}

bool admission_is_crowded(struct admission *a)
{
	return atomic_load_explicit(&a->crowded, memory_order_relaxed);
}
