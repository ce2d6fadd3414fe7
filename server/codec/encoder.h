/*
 * The other direction: every format of a reply. And which formats, of bodies and of replies, the
 * protocols of the server speak.
 */
#ifndef LOSSD_CODEC_ENCODER_H
#define LOSSD_CODEC_ENCODER_H

#include "decoder.h"
#include "os/clock.h"

/* What a reply is written from. */
struct encoder_input {
	const struct loss_info *loss;
	const struct loss_result *result;
	struct timings *timings;       /* encode_ns and total_ns are set by the encoder */
	const struct decoder *decoder; /* of the request, which may know how the reply is wanted */
};

/* What was written. */
struct encoded {
	struct loss_buffer *body;   /* made by the caller, empty; the encoder appends */
	const char *content_type;   /* set by the caller to that of the format */
	const char *header, *value; /* one more header of the reply, in the arena; NULL: none */
};

/* One row a reply format. */
struct reply_format {
	const char *content_type; /* what Accept is held against */
	loss_status (*write)(const struct encoder_input *input, struct encoded *out,
			     struct loss_error *err);
};
#define REPLY_FORMATS_MAX 4

/* A protocol: what evaluations behind a route may be sent as, and are answered as. */
struct protocol {
	const struct media_type *requests;  /* ends with a NULL name; the first is the default */
	const struct reply_format *replies; /* ends with a NULL content type; likewise */
};
extern const struct protocol protocol_v1; /* /v1/losses/{loss} */
extern const struct protocol protocol_v2; /* /v2/models/{loss}/infer */

#endif
