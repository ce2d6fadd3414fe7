#include "protocols.h"

#include "codec/json/json_in.h"
#include "codec/json/reply_json.h"
#include "codec/numpy/numpy_in.h"
#include "codec/oip/oip_in.h"
#include "codec/oip/oip_out.h"
#include "codec/safetensors/safetensors_files.h"
#include "codec/safetensors/safetensors_in.h"
#include "codec/safetensors/safetensors_out.h"

/* As pipelines, collectors of logs and batch services call the same. */
#define LINES_REQUESTS                                                                             \
	{"application/jsonl", "jsonl", json_in_create},                                            \
		{"application/x-ndjson", "jsonl", json_in_create},                                 \
	{                                                                                          \
		"application/jsonlines", "jsonl", json_in_create                                   \
	}

static const struct media_type v1_requests[] = {
	{"application/json", "json", json_in_create},
	{"application/x-safetensors", "safetensors", safetensors_in_create},
	{"application/vnd.safetensors", "safetensors", safetensors_in_create},
	{"application/octet-stream", "safetensors", safetensors_in_create},
	LINES_REQUESTS, /* which protocol_lines reads */
	{NULL, NULL, NULL},
};
static const struct reply_format v1_replies[] = {
	{"application/json", "json", reply_json_create, false},
	{"application/x-safetensors", "safetensors", safetensors_out_create, false},
	{"application/vnd.safetensors", "safetensors", safetensors_out_create, false},
	{NULL, NULL, NULL, false},
};
const struct protocol protocol_v1 = {v1_requests, v1_replies};

static const struct media_type lines_requests[] = {
	LINES_REQUESTS,
	{NULL, NULL, NULL},
};
static const struct reply_format lines_replies[] = {
	{"application/jsonl", "jsonl", reply_json_create_line, false},
	{"application/x-ndjson", "jsonl", reply_json_create_line, false},
	{"application/jsonlines", "jsonl", reply_json_create_line, false},
	{NULL, NULL, NULL, false},
};
const struct protocol protocol_lines = {lines_requests, lines_replies};

/* A client that sends JSON and bytes after it may call it either; the header that gives the
 * document's length decides. curl -d, and HTTP libraries of clients that say nothing, call all a
 * form. */
static const struct media_type v2_requests[] = {
	{"application/json", "oip", oip_in_create},
	{"application/octet-stream", "oip", oip_in_create},
	{"application/x-www-form-urlencoded", "oip", oip_in_create},
	{NULL, NULL, NULL},
};
static const struct reply_format v2_replies[] = {
	{"application/json", "oip", oip_out_create, true},
	{"application/octet-stream", "oip", oip_out_create, true},
	{NULL, NULL, NULL, false},
};
const struct protocol protocol_v2 = {v2_requests, v2_replies};

/* No server takes them: they are read to their end before anything is known of them. */
static const struct media_type file_requests[] = {
	{"application/x-npz", "npz", numpy_in_create},
	{"application/x-safetensors", "safetensors", safetensors_files_create},
	{NULL, NULL, NULL},
};
const struct protocol protocol_files = {file_requests, v1_replies};

#define FITS(table, max)                                                                           \
	_Static_assert(sizeof(table) / sizeof(table)[0] <= (max) + 1, "raise " #max)
FITS(v1_requests, MEDIA_TYPES_MAX);
FITS(v2_requests, MEDIA_TYPES_MAX);
FITS(lines_requests, MEDIA_TYPES_MAX);
FITS(lines_replies, REPLY_FORMATS_MAX);
FITS(v1_replies, REPLY_FORMATS_MAX);
FITS(v2_replies, REPLY_FORMATS_MAX);
