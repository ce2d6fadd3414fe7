/* Which formats, of bodies and of replies, the protocols of the server speak. */
#ifndef LOSSD_PROTOCOLS_H
#define LOSSD_PROTOCOLS_H

#include "codec/decoder.h"
#include "codec/encoder.h"

/* A protocol: what evaluations behind a route may be sent as, and are answered as. */
struct protocol {
	const struct media_type *requests;  /* ends with a NULL name; the first is the default */
	const struct reply_format *replies; /* ends with a NULL content type; likewise */
};
extern const struct protocol protocol_v1;    /* /v1/losses/{loss} */
extern const struct protocol protocol_lines; /* of those, problems that come one a line */
extern const struct protocol protocol_v2;    /* /v2/models/{loss}/infer */
extern const struct protocol protocol_files; /* what only `lossd eval` reads */

#endif
