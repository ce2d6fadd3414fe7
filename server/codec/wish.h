/* How a request wants its reply: what a decoder has read of it, for encoders. */
#ifndef LOSSD_CODEC_WISH_H
#define LOSSD_CODEC_WISH_H

#include "loss.h"

/* Of one output. */
struct output_wish {
	bool binary;
	/* The shared memory that it goes to. */
	const char *region; /* its name; NULL: into the reply */
	uint64_t offset, size;
	void *memory; /* where that is, once it has been pinned */
};

/* All zero: nothing in particular. */
struct reply_wish {
	const char *id;                               /* to be echoed; NULL: none */
	struct output_wish outputs[LOSS_MAX_OUTPUTS]; /* in the order asked for */
};

#endif
