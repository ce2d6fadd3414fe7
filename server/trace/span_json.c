#include "span_json.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "codec/json/json_out.h"
#include "codec/text/hex.h"
#include "span_id.h"

/* Numbers of enumerations (opentelemetry/proto/trace/v1/trace.proto). */
#define KIND_INTERNAL 1
#define KIND_SERVER 2
#define STATUS_ERROR 2
/* Beside the flags of W3C: whether the parent is another process's is known, and it is. */
#define PARENT_IS_KNOWN 0x100u
#define PARENT_IS_REMOTE 0x200u

static const char *const phase_names[N_PHASES] = {
	[PHASE_RECEIVE] = "receive", [PHASE_DECODE] = "decode", [PHASE_QUEUE] = "queue",
	[PHASE_COMPUTE] = "compute", [PHASE_ENCODE] = "encode",
};

void span_resource_make(struct span_resource *resource)
{
	/* Version 4, variant 1 (RFC 9562). */
	uint64_t high = (span_id_next() & ~UINT64_C(0xf000)) | 0x4000;
	uint64_t low = span_id_next() >> 2 | UINT64_C(1) << 63;
	snprintf(resource->instance_id, sizeof resource->instance_id,
		 "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
		 high >> 16 & 0xffff, high & 0xffff, low >> 48, low & UINT64_C(0xffffffffffff));
	resource->pid = getpid();
}

static bool happened(const struct span_phase *phase)
{
	return phase->start_ns != 0;
}

size_t span_count(const struct span *span)
{
	size_t n = 1;
	for (size_t i = 0; i < N_PHASES; i++)
		n += happened(&span->phases[i]);
	return n;
}

/* ---------------------------------------------------------------- values */

static void put_hex(struct json_out *out, const char *name, const unsigned char *bytes, size_t n)
{
	char text[2 * SPAN_TRACE_ID_BYTES + 1];
	hex_write(bytes, n, text);
	json_out_string_member(out, name, text);
}

/* Of 64 bits: a string. */
static void put_wide(struct json_out *out, const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, value);
	json_out_string_member(out, name, text);
}

static void open_value(struct json_out *out, const char *key)
{
	json_out_open(out, '{');
	json_out_string_member(out, "key", key);
	json_out_key(out, "value");
	json_out_open(out, '{');
}

static void close_value(struct json_out *out)
{
	json_out_close(out, '}');
	json_out_close(out, '}');
}

/* What there is none of has no attribute. */
static void put_text(struct json_out *out, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	open_value(out, key);
	json_out_string_member(out, "stringValue", text);
	close_value(out);
}

static void put_integer(struct json_out *out, const char *key, uint64_t value)
{
	open_value(out, key);
	put_wide(out, "intValue", value);
	close_value(out);
}

/* ---------------------------------------------------------------- spans */

static void put_attributes(struct json_out *out, const struct span *span)
{
	put_text(out, "http.request.method", span->method ? span->method : "_OTHER");
	put_text(out, "http.route", span->route);
	put_text(out, "url.path", span->path);
	put_text(out, "url.scheme", span->scheme);
	if (span->status != 0)
		put_integer(out, "http.response.status_code", span->status);
	put_text(out, "error.type", span->error);
	put_text(out, "network.peer.address", span->peer);
	if (span->peer_port != 0)
		put_integer(out, "network.peer.port", span->peer_port);
	put_integer(out, "http.request.body.size", span->bytes_in);
	put_integer(out, "http.response.body.size", span->bytes_out);
	put_text(out, "lossd.request_id", span->request_id);
	put_text(out, "lossd.code", span->code);
	put_text(out, "lossd.loss", span->loss);
	if (!span->computed)
		return;
	put_integer(out, "lossd.rows", span->rows);
	put_integer(out, "lossd.threads", span->threads);
	put_text(out, "lossd.isa", span->isa);
}

static void put_name(struct json_out *out, const struct span *span)
{
	char name[128];
	snprintf(name, sizeof name, "%s%s%s", span->method ? span->method : "HTTP",
		 span->route ? " " : "", span->route ? span->route : "");
	json_out_string_member(out, "name", name);
}

static void put_times(struct json_out *out, int kind, uint64_t start_ns, uint64_t end_ns)
{
	json_out_size_member(out, "kind", (size_t)kind);
	put_wide(out, "startTimeUnixNano", start_ns);
	put_wide(out, "endTimeUnixNano", end_ns);
}

static void open_span(struct json_out *out, const struct span *span, const unsigned char *id)
{
	json_out_open(out, '{');
	put_hex(out, "traceId", span->trace_id, SPAN_TRACE_ID_BYTES);
	put_hex(out, "spanId", id, SPAN_ID_BYTES);
	if (span->tracestate[0] != '\0')
		json_out_string_member(out, "traceState", span->tracestate);
}

static void put_request(struct json_out *out, const struct span *span)
{
	open_span(out, span, span->id);
	if (span->has_parent)
		put_hex(out, "parentSpanId", span->parent_id, SPAN_ID_BYTES);
	json_out_size_member(out, "flags",
			     span->flags | PARENT_IS_KNOWN |
				     (span->has_parent ? PARENT_IS_REMOTE : 0));
	put_name(out, span);
	put_times(out, KIND_SERVER, span->start_ns, span->end_ns);
	json_out_key(out, "attributes");
	json_out_open(out, '[');
	put_attributes(out, span);
	json_out_close(out, ']');
	json_out_key(out, "status");
	json_out_open(out, '{');
	if (span->error)
		json_out_size_member(out, "code", STATUS_ERROR);
	json_out_close(out, '}');
	json_out_close(out, '}');
}

static void put_phase(struct json_out *out, const struct span *span, enum phase which)
{
	const struct span_phase *phase = &span->phases[which];
	unsigned char id[SPAN_ID_BYTES];
	if (!happened(phase))
		return;
	span_id_make(id, sizeof id);
	open_span(out, span, id);
	put_hex(out, "parentSpanId", span->id, SPAN_ID_BYTES);
	json_out_size_member(out, "flags", span->flags | PARENT_IS_KNOWN);
	json_out_string_member(out, "name", phase_names[which]);
	put_times(out, KIND_INTERNAL, phase->start_ns, phase->end_ns);
	json_out_key(out, "attributes");
	json_out_open(out, '[');
	put_integer(out, "lossd.busy_ns", phase->busy_ns);
	json_out_close(out, ']');
	json_out_close(out, '}');
}

static void put_spans(struct json_out *out, const struct span *spans, size_t n)
{
	json_out_key(out, "spans");
	json_out_open(out, '[');
	for (size_t i = 0; i < n; i++) {
		put_request(out, &spans[i]);
		for (enum phase phase = 0; phase < N_PHASES; phase++)
			put_phase(out, &spans[i], phase);
	}
	json_out_close(out, ']');
}

/* ---------------------------------------------------------------- the document */

static void put_resource(struct json_out *out, const struct span_resource *resource)
{
	json_out_key(out, "resource");
	json_out_open(out, '{');
	json_out_key(out, "attributes");
	json_out_open(out, '[');
	put_text(out, "service.name", "lossd");
	put_text(out, "service.version", LOSS_VERSION);
	put_text(out, "service.instance.id", resource->instance_id);
	put_integer(out, "process.pid", (uint64_t)resource->pid);
	json_out_close(out, ']');
	json_out_close(out, '}');
}

static void put_scope(struct json_out *out)
{
	json_out_key(out, "scope");
	json_out_open(out, '{');
	json_out_string_member(out, "name", "lossd");
	json_out_string_member(out, "version", LOSS_VERSION);
	json_out_close(out, '}');
}

/* {"resourceSpans": [{"resource", "scopeSpans": [{"scope", "spans": []}]}]} */
bool span_json_write(struct loss_buffer *buffer, const struct span_resource *resource,
		     const struct span *spans, size_t n)
{
	struct json_out out;
	json_out_start(&out, buffer);
	json_out_open(&out, '{');
	json_out_key(&out, "resourceSpans");
	json_out_open(&out, '[');
	json_out_open(&out, '{');
	put_resource(&out, resource);
	json_out_key(&out, "scopeSpans");
	json_out_open(&out, '[');
	json_out_open(&out, '{');
	put_scope(&out);
	put_spans(&out, spans, n);
	json_out_close(&out, '}');
	json_out_close(&out, ']');
	json_out_close(&out, '}');
	json_out_close(&out, ']');
	json_out_close(&out, '}');
	return !out.failed;
}
