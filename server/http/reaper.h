/*
 * Deadlines of connections. libmicrohttpd restarts its own timeout with every byte, so a client
 * that sends one byte a second would live for ever; here every phase of a connection has an end
 * that bytes do not move, but for a body's and a reply's, which go on as long as they make progress
 * (pace.h). One thread looks at each connection twice a second and at its deadline, and shuts the
 * socket down, which libmicrohttpd sees as an end of the connection. The same thread fires the
 * deadlines of requests, notices clients that left while their request was being computed, and
 * ends the slowest transfers where others need the memory. And while the budget keeps memory, it
 * looks every 15 seconds for what nobody has wanted.
 *
 * Threads: a connection belongs to one I/O thread. That thread writes its phase and deadline
 * without a lock (they are atomic); everything else is guarded by the reaper's mutex. A socket is
 * shut down under the mutex that reaper_close takes before libmicrohttpd closes the descriptor, so
 * never a recycled one.
 */
#ifndef LOSSD_REAPER_H
#define LOSSD_REAPER_H

#include "loss.h"
#include "settings/config.h"

enum reaper_phase {
	REAPER_OPENED,  /* a request line is to come, or has begun to: head_timeout_ms */
	REAPER_HEAD,    /* head_timeout_ms from the request line */
	REAPER_BODY,    /* body_timeout_ms, and more as it comes */
	REAPER_COMPUTE, /* no deadline but the caller's; the client is watched */
	REAPER_REPLY,   /* reply_timeout_ms, and more as it is taken */
	/* Nothing of a next request has come, or not been seen yet, at the look that comes within
	 * half a second: idle_timeout_ms. */
	REAPER_IDLE,
	REAPER_N_PHASES
};

enum reaper_event {
	REAPER_EXPIRED, /* the caller's deadline has passed */
	REAPER_GONE,    /* the client does not read any more, or the server must end */
};

struct reaper;
struct reaper_entry; /* one connection */

/* Called by the reaper's thread under its mutex: must not block, nor call the reaper. */
typedef void reaper_notice(void *context, enum reaper_event event);
/* Monotonic, in nanoseconds. */
typedef uint64_t reaper_clock(void);

/* For at most so many connections at once; the budget's is the memory that it ages, NULL: none.
 * NULL when there is no memory or no thread. The arena, the config and the budget must outlive it.
 */
struct reaper *reaper_start(struct loss_arena *arena, const struct config *config,
			    struct loss_budget *budget, size_t connections);
void reaper_stop(struct reaper *reaper); /* all connections are closed by now; NULL is fine */

/* The same without a thread and by another clock, for tests: reaper_step does what is due and
 * returns when to be called again, UINT64_MAX for when something happens. */
struct reaper *reaper_create(struct loss_arena *arena, const struct config *config,
			     struct loss_budget *budget, size_t connections, reaper_clock *clock);
uint64_t reaper_step(struct reaper *reaper);
void reaper_destroy(struct reaper *reaper);

/* A new connection, in REAPER_OPENED. NULL when there are more than there may be. */
struct reaper_entry *reaper_open(struct reaper *reaper, int fd);
/* It speaks TLS: it can not be asked whether it still reads once it has closed its side, and has
 * left then. Before its first phase ends. */
void reaper_encrypted(struct reaper *reaper, struct reaper_entry *entry);
/* True when it was ended by reaper_evict: then reaper_made_room is to be called once its place is
 * free, before which no other one is ended so. */
bool reaper_close(struct reaper *reaper, struct reaper_entry *entry);
void reaper_made_room(struct reaper *reaper);
size_t reaper_connections(struct reaper *reaper);
/* True when the client has closed its side, or all of it. */
bool reaper_has_left(struct reaper *reaper, const struct reaper_entry *entry);
/* True when it has been shut down here. */
bool reaper_was_cut(struct reaper *reaper, const struct reaper_entry *entry);

/* The phases of one request, in this order. */
void reaper_head(struct reaper *reaper, struct reaper_entry *entry);
void reaper_body(struct reaper *reaper, struct reaper_entry *entry);
/* `bytes` of the body so far, or of the whole reply; the request holds so much memory. */
void reaper_received(struct reaper *reaper, struct reaper_entry *entry, uint64_t bytes,
		     uint64_t held);
/* The body is complete: nobody waits for the client, but that it is not looked at so often yet. */
void reaper_whole(struct reaper *reaper, struct reaper_entry *entry);
void reaper_compute(struct reaper *reaper, struct reaper_entry *entry);
void reaper_reply(struct reaper *reaper, struct reaper_entry *entry, uint64_t bytes, uint64_t held);
/* So many bytes of the reply have been given to the kernel. Over a Unix socket the system does not
 * tell what its client has taken: then by these it is seen to go on. */
void reaper_handed(struct reaper_entry *entry, uint64_t bytes);
/* The request has ended. `consumed`: the bytes that it took on the wire, or REAPER_UNKNOWN, or
 * REAPER_ALL that have come: by them the beginning of a next request is told from none. */
#define REAPER_UNKNOWN UINT64_MAX
#define REAPER_ALL (UINT64_MAX - 1)
void reaper_idle(struct reaper *reaper, struct reaper_entry *entry, uint64_t consumed);
/* Before that: whether something of a next request has come, or may have. */
bool reaper_has_more(struct reaper *reaper, const struct reaper_entry *entry, uint64_t consumed);

struct reaper_watch {
	uint64_t expires_ns; /* the caller's deadline, on the reaper's clock; 0: none */
	bool probes;         /* the client understands interim responses */
	reaper_notice *notice;
	void *context;
};
/* Reports the deadline and a client's leaving until reaper_unwatch returns; the latter at once, by
 * the caller's thread, where the connection has been cut already. */
void reaper_watch(struct reaper *reaper, struct reaper_entry *entry,
		  const struct reaper_watch *watch);
void reaper_unwatch(struct reaper *reaper, struct reaper_entry *entry);

/* The place of one that reaper_evict ended is still to become free. */
bool reaper_is_evicting(struct reaper *reaper);
/* Ends the connection that has waited longest for a next request, unless the place of one that was
 * ended so is still to become free; false: there is none. */
bool reaper_evict(struct reaper *reaper);
/* Somebody found no memory: the slowest of the transfers that hold some is ended, if it is slow. */
void reaper_press(struct reaper *reaper);

/*
 * From now on connections that wait for a request wait a second at most. What had come by then,
 * what had come by `since_ns`, and what is sent after a request that was under way, in that second
 * or so that it waits when the one before it ends, is a promise: reaper_is_promised tells whether
 * the request whose head has just been read is one. It is asked once for each.
 */
void reaper_drain(struct reaper *reaper, uint64_t since_ns);
bool reaper_is_promised(struct reaper *reaper, struct reaper_entry *entry);
/* Shuts every connection down, those too that are opened later, and reports REAPER_GONE to
 * everybody who watches. */
void reaper_cut_all(struct reaper *reaper);

#endif
