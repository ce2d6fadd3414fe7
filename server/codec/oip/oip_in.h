/*
 * Open Inference Protocol requests (version 2, api/README.md) to a problem: a JSON document, and
 * with Inference-Header-Content-Length the raw bytes of tensors after it. See decoder.h for the
 * interface.
 */
#ifndef LOSSD_CODEC_OIP_IN_H
#define LOSSD_CODEC_OIP_IN_H

#include "codec/decoder.h"

struct shm_pin;

struct decoder *oip_in_create(const struct decoder_setup *setup);

/* ---------------------------------------------------------------- how the reply is wanted */

/* The request's id; "" where there is none. */
const char *oip_in_id(const struct decoder *decoder);

/* What is wanted of output i. */
struct oip_wish {
	bool binary;
	const struct shm_pin *pin; /* NULL, or: it goes to shared memory */
	const char *region;        /* whose name and the offset in it are these */
	uint64_t offset;
};
struct oip_wish oip_in_wish(const struct decoder *decoder, size_t i);
/* Whether what was written to shared memory is there. */
loss_status oip_in_written(const struct decoder *decoder, struct loss_error *err);

#endif
