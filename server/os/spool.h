/*
 * Bytes that are kept until they are sent: up to SPOOL_MEMORY_BYTES in memory, what is more in a
 * file that has no name, so that nothing of it is left whatever happens. One thread at a time.
 */
#ifndef LOSSD_SPOOL_H
#define LOSSD_SPOOL_H

#include "loss.h"

#define SPOOL_MEMORY_BYTES ((size_t)4 << 20)
/* Once there is a file, so many bytes go to it at a time. */
#define SPOOL_PIECE_BYTES ((size_t)1 << 18)

struct spool {
	const char *directory; /* of the file, if there is to be one */
	int fd;                /* it; -1: there is none */
	uint64_t in_file;      /* its bytes, from its beginning; what comes after them is in */
	struct loss_buffer *memory;
	int failure; /* errno of a file that could not be made or written to; 0: all is well */
};

/* The directory's name must outlive it. False when there is no memory. To be ended by spool_drop.
 */
bool spool_start(struct spool *spool, struct loss_arena *arena, const char *directory);
/*
 * Adds n bytes. When the file can not be written to, or made, `failure` says why, and they are kept
 * in memory all the same: nothing more should be added then but what tells of it. False: there is
 * no memory for them either (loss_arena_failure), and they are lost.
 */
bool spool_add(struct spool *spool, const void *bytes, size_t n);
/* Nothing more will be added: if there is a file all of it is there, as far as that can be. */
void spool_end(struct spool *spool);
/* All bytes. */
uint64_t spool_size(const struct spool *spool);
/* Gives up the file and the memory; again is fine. */
void spool_drop(struct spool *spool);

/* Copies n bytes of a file, from a position on; fewer where they can not be read. Any thread. */
size_t spool_copy(int fd, uint64_t position, void *out, size_t n);

#endif
