/*
 * Spans as collectors take them: the ExportTraceServiceRequest of OTLP in JSON
 * (https://opentelemetry.io/docs/specs/otlp/): ids in lower-case hexadecimal digits, 64-bit numbers
 * as strings, enumerations as numbers. Attributes are named as OpenTelemetry's conventions for HTTP
 * servers have them, and lossd.* for what these do not know.
 */
#ifndef LOSSD_SPAN_JSON_H
#define LOSSD_SPAN_JSON_H

#include "loss.h"
#include "span.h"

/* Who sends the spans. */
struct span_resource {
	char instance_id[37]; /* a UUID, another one for each process */
	int64_t pid;
};
void span_resource_make(struct span_resource *resource);

/* Of a request: its own, and those of its phases. */
size_t span_count(const struct span *span);

/* One document of n requests, n > 0. False: no memory. */
bool span_json_write(struct loss_buffer *out, const struct span_resource *resource,
		     const struct span *spans, size_t n);

#endif
